package openrouter

import (
	"net/url"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

const (
	pageLimit = 100 // which the vendor has fixed
	maxOffset = 1 << 31
)

// A listQuery says which keys of the list are wanted.
type listQuery struct {
	filter    keys.KeyFilter
	workspace string // "": the caller's
}

// parseList reads the query of a list. Parameters that are not known are passed
// over.
func parseList(raw string) (q listQuery, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, keys.Errorf(keys.Invalid, "the query of the URL cannot be read")
	}
	q.filter = keys.KeyFilter{Limit: pageLimit, Enabled: new(true)}
	var faults keys.Faults
	if values.Has("include_disabled") {
		switch strings.ToLower(values.Get("include_disabled")) {
		case "true", "1":
			q.filter.Enabled = nil
		case "false", "0":
		default:
			faults.Add("include_disabled", "must be true or false")
		}
	}
	if values.Has("offset") {
		q.filter.Offset = offset(values.Get("offset"), &faults)
	}
	if values.Has("workspace_id") {
		if q.workspace = uuid(values.Get("workspace_id")); !isUUID(q.workspace) {
			faults.Add("workspace_id", "must be a UUID")
		}
	}
	return q, faults.Err()
}

// offset reads an integer from 0. Older clients send it as a decimal.
func offset(text string, faults *keys.Faults) int {
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" || strings.Trim(whole, "0123456789") != "" || point && (fraction == "" || strings.Trim(fraction, "0") != "") {
		faults.Add("offset", "must be an integer from 0")
		return 0
	}
	n, _ := strconv.ParseInt(whole, 10, 64) // where it is beyond 64 bits, the bound that was passed
	return int(min(n, maxOffset))
}
