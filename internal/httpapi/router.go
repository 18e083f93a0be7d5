package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/keys"
)

// A router finds who answers a request: a route, or for what no route takes
// the dialect that the path belongs to.
type router struct {
	mux     *http.ServeMux
	fixed   map[string]map[string]http.Handler // path without wildcards → method → handler
	quiet   map[string]bool                    // path of a hot route
	owners  map[string]http.Handler            // pattern of a route → who says that it takes other methods
	methods []string                           // that some route takes
	claims  []claim                            // the longest first
}

// A claim is a path prefix and who answers for it.
type claim struct {
	prefix  string
	handler http.Handler
}

func newRouter(a *API) *router {
	rt := &router{mux: http.NewServeMux(), fixed: map[string]map[string]http.Handler{}, quiet: map[string]bool{}, owners: map[string]http.Handler{}}
	refused := newSampler(10)
	var nothing http.Handler
	for _, d := range append(slices.Clone(a.Dialects), a.Fallback) {
		wrongMethod := a.guard(d, unrouted(methodNotAllowed), refused)
		for _, route := range d.Routes() {
			rt.add(&route, a.guard(d, route, refused), wrongMethod)
		}
		nothing = a.guard(d, unrouted(notFound), refused)
		for _, prefix := range d.Claims() {
			rt.claims = append(rt.claims, claim{prefix, nothing})
		}
	}
	rt.claims = append(rt.claims, claim{"", nothing}) // the fallback, which came last
	slices.SortStableFunc(rt.claims, func(x, y claim) int { return len(y.prefix) - len(x.prefix) })
	rt.bar()
	rt.mux.HandleFunc("/", rt.miss)
	return rt
}

func (rt *router) add(route *Route, h, wrongMethod http.Handler) {
	rt.mux.Handle(route.Pattern(), h)
	rt.owners[route.Pattern()] = wrongMethod
	if !slices.Contains(rt.methods, route.Method) {
		rt.methods = append(rt.methods, route.Method)
	}
	if strings.Contains(route.Path, "{") {
		return
	}
	if rt.fixed[route.Path] == nil {
		rt.fixed[route.Path] = map[string]http.Handler{}
	}
	rt.fixed[route.Path][route.Method] = h
	if route.Quiet && route.Method == http.MethodPost {
		rt.quiet[route.Path] = true
	}
}

// hot reports whether a POST to a path is for a hot route.
func (rt *router) hot(path string) bool { return rt.quiet[path] }

// bar keeps the mux from redirecting /tree to a route at /tree/, by giving it
// the former too.
func (rt *router) bar() {
	for pattern := range rt.owners {
		slash := strings.LastIndexByte(pattern, '/')
		end, short := pattern[slash+1:], pattern[:slash]
		open := end == "" || end == "{$}" || strings.HasSuffix(end, "...}")
		if open && strings.Contains(short, "/") && rt.owners[short] == nil {
			rt.owners[short] = nil
			rt.mux.HandleFunc(short, rt.miss)
		}
	}
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The mux would find the same; this is the shorter way of the paths that are hot.
	if h := rt.fixed[r.URL.Path][r.Method]; h != nil && r.URL.RawPath == "" {
		h.ServeHTTP(w, r)
		return
	}
	if !tidy(r.URL) {
		rt.claimed(r.URL.Path).ServeHTTP(w, r)
		return
	}
	rt.mux.ServeHTTP(w, r)
}

// miss answers what no route takes. Where the path has routes for other
// methods, it is their dialect that says so.
func (rt *router) miss(w http.ResponseWriter, r *http.Request) {
	var allow []string
	var owner http.Handler
	for _, m := range rt.methods {
		_, pattern := rt.mux.Handler(&http.Request{Method: m, URL: r.URL, Host: r.Host})
		if h := rt.owners[pattern]; h != nil {
			allow = append(allow, m)
			if owner == nil {
				owner = h
			}
		}
	}
	if owner == nil {
		rt.claimed(r.URL.Path).ServeHTTP(w, r)
		return
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(slices.Compact(allow), ", "))
	owner.ServeHTTP(w, r)
}

func (rt *router) claimed(path string) http.Handler {
	i := slices.IndexFunc(rt.claims, func(c claim) bool { return strings.HasPrefix(path, c.prefix) })
	return rt.claims[i].handler // the last claim is the empty prefix
}

func unrouted(h HandlerFunc) Route { return Route{Path: "(unrouted)", Caller: Nobody, Handle: h} }

func notFound(http.ResponseWriter, *http.Request, *Call) error {
	return keys.Errorf(keys.NotFound, "there is nothing at this path")
}

// methodNotAllowed finds the methods in the answer's header.
func methodNotAllowed(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	return keys.Errorf(MethodNotAllowed, "this path takes %s", w.Header().Get("Allow"))
}

// tidy collapses doubled slashes in a path, and reports whether the mux may
// see it: one with dots as a segment, or none at all, it would redirect. A
// slash that is encoded is data, and stays.
func tidy(u *url.URL) bool {
	path := u.EscapedPath()
	if strings.Contains(path, "//") {
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
		plain, err := url.PathUnescape(path)
		if err != nil {
			return false
		}
		u.Path, u.RawPath = plain, path
	}
	if !strings.HasPrefix(path, "/") {
		return false
	}
	if !strings.Contains(path, "/.") {
		return true
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
