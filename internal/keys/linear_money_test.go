package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A moneyDeed is one call that concerns the budget of a key, at a moment by the
// clock of whoever makes it.
type moneyDeed struct {
	do     string
	amount int64
	ttl    time.Duration // of what is set aside
	id     string        // of the reservation that is ended
	at     time.Time
}

func (d moneyDeed) String() string {
	return fmt.Sprintf("%s: %s %d %s %v", d.at.Format("15:04:05"), d.do, d.amount, d.id, d.ttl)
}

// A moneyReply is what was answered: whether the deed was done, the figures,
// where they were told, and the reservation that was made.
type moneyReply struct {
	done, told bool
	figures    moneyFigures
	id         string
}

type moneyFigures struct{ limit, own, byok, held, remaining, overdrawn int64 }

// A till is what there is to know of a key's money, in plain numbers. Its lists
// are never changed.
type till struct {
	sums
	aside []aside
	open  []string // reservations that were not ended, in order
}

type sums struct {
	limit         int64
	daily, counts bool  // the budget resets at midnight; it counts what is spent with the customer's provider keys
	own, byok     int64 // spent in the window
	day           int64 // in which that was
}

// An aside is money that is set aside until a moment.
type aside struct {
	id    string
	sum   int64
	until time.Time
}

// at returns the till as it is at a moment.
func (s till) at(now time.Time) till {
	if day := now.Unix() / 86400; s.daily && day > s.day {
		s.own, s.byok, s.day = 0, 0, day
	}
	s.aside = slices.DeleteFunc(slices.Clone(s.aside), func(a aside) bool { return !a.until.After(now) })
	return s
}

// figures returns what is told of a till that is as of the moment.
func (s till) figures() moneyFigures {
	f := moneyFigures{limit: s.limit, own: s.own, byok: s.byok}
	for _, a := range s.aside {
		f.held += a.sum
	}
	counted := s.own
	if s.counts {
		counted += s.byok
	}
	f.remaining, f.overdrawn = max(0, s.limit-counted-f.held), max(0, counted-s.limit)
	return f
}

// gives reports whether a sum can be had.
func (s till) gives(sum int64) bool { left := s.figures().remaining; return left > 0 && left >= sum }

// end takes a reservation off, if it is there.
func (s till) end(id string, sum int64) (till, bool) {
	at, ok := slices.BinarySearch(s.open, id)
	if !ok {
		return s, false
	}
	s.open = slices.Delete(slices.Clone(s.open), at, at+1)
	s.aside = slices.DeleteFunc(slices.Clone(s.aside), func(a aside) bool { return a.id == id })
	s.own += sum
	return s, true
}

// moneyDeeds says what each deed makes of the till as it is at the moment, and
// whether it may be done. id is that of the reservation that it makes.
var moneyDeeds = map[string]func(s till, d moneyDeed, id string) (_ till, ok bool){
	"verify": func(s till, d moneyDeed, _ string) (till, bool) {
		ok := s.gives(d.amount)
		s.own += d.amount
		return s, ok
	},
	"spend": func(s till, d moneyDeed, _ string) (till, bool) { s.own += d.amount; return s, true },
	"byok":  func(s till, d moneyDeed, _ string) (till, bool) { s.byok += d.amount; return s, true },
	"refund": func(s till, d moneyDeed, _ string) (till, bool) {
		s.own -= min(d.amount, s.own)
		return s, true
	},
	"reserve": func(s till, d moneyDeed, id string) (till, bool) {
		ok := s.gives(d.amount)
		s.aside = append(slices.Clone(s.aside), aside{id, d.amount, d.at.Add(d.ttl)})
		slices.SortFunc(s.aside, func(a, b aside) int { return strings.Compare(a.id, b.id) })
		at, _ := slices.BinarySearch(s.open, id)
		s.open = slices.Insert(slices.Clone(s.open), at, id)
		return s, ok
	},
	"settle":  func(s till, d moneyDeed, _ string) (till, bool) { return s.end(d.id, d.amount) },
	"release": func(s till, d moneyDeed, _ string) (till, bool) { return s.end(d.id, 0) },
}

// moneySettings are those deeds that leave what the clock has not yet made of
// the till as it is.
var moneySettings = map[string]func(s till, d moneyDeed) (_ till, ok bool){
	"look":  func(s till, d moneyDeed) (till, bool) { return s, s.at(d.at).gives(0) },
	"read":  func(s till, d moneyDeed) (till, bool) { return s, true },
	"limit": func(s till, d moneyDeed) (till, bool) { s.limit = d.amount; return s, true },
}

// aTill is the object by whose rules there must be one order of all deeds, each
// between its call and its answer.
func aTill(first till) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, input, output any) (bool, any) {
			before, d, r := state.(till), input.(moneyDeed), output.(moneyReply)
			after, ok := before, false
			if change := moneyDeeds[d.do]; change != nil {
				after, ok = change(before.at(d.at), d, r.id)
			} else {
				after, ok = moneySettings[d.do](before, d)
			}
			if !ok {
				after = before
			}
			return r.done == ok && (!r.told || r.figures == after.at(d.at).figures()), after
		},
		Equal: func(a, b any) bool {
			x, y := a.(till), b.(till)
			return x.sums == y.sums && slices.Equal(x.aside, y.aside) && slices.Equal(x.open, y.open)
		},
	}
}

// TestOneOrderOfMoney spends from, refunds to, and sets aside of one budget in
// all ways from many sides at once, while its limit changes and midnight comes,
// and finds for every history one order in which all the answers are right.
func TestOneOrderOfMoney(t *testing.T) {
	for _, durability := range []string{"strict", "relaxed"} {
		t.Run(durability, func(t *testing.T) {
			h := newHome(t)
			h.now = time.Date(2030, 1, 15, 23, 57, 0, 0, time.UTC)
			if durability == "relaxed" {
				h.store.Relax()
			}
			done, refused := map[string]int{}, map[string]int{}
			for n := range 120 {
				first := till{sums: sums{limit: 30, daily: n%2 == 0, counts: n%3 == 0, day: h.now.Unix() / 86400}}
				budget := &keys.BudgetSettings{Limit: keys.Some(first.limit), CountsBYOK: keys.Some(first.counts)}
				if first.daily {
					budget.Reset = keys.Some(keys.ResetDaily)
				}
				k, secret := h.create(keys.KeySettings{Budget: keys.Some(budget)})
				history := recordMoney(h, &k, secret)
				mustHaveOrder(t, aTill(first), history)
				for _, op := range history {
					if d := op.Input.(moneyDeed); op.Output.(moneyReply).done {
						done[d.do]++
					} else {
						refused[d.do]++
					}
				}
			}
			for _, do := range []string{"verify", "reserve", "settle", "release", "look"} {
				if done[do] < 50 || refused[do] < 20 {
					t.Errorf("%s was done %d times and refused %d times, too few to tell anything", do, done[do], refused[do])
				}
			}
		})
	}
}

// A pile holds the reservations that were made, whether they were ended or not.
type pile struct {
	mu  sync.Mutex
	ids []string
}

func (p *pile) put(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = append(p.ids, id)
}

// pick returns one of the last reservations; "": there is none.
func (p *pile) pick() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ids) == 0 {
		return ""
	}
	return p.ids[len(p.ids)-1-rand.IntN(min(3, len(p.ids)))]
}

func recordMoney(h *home, k *keys.Key, secret token.Secret) []porcupine.Operation {
	made := new(pile)
	return recordHistory(h, k, secret, func(d *doer) (any, func() any) {
		what := d.chooseMoney(made)
		return what, func() any {
			r := d.doMoney(what)
			if r.id != "" {
				made.put(r.id)
			}
			return r
		}
	})
}

func (d *doer) chooseMoney(made *pile) moneyDeed {
	n := 1 + rand.Int64N(6)
	out := moneyDeed{do: "verify", amount: n, at: d.now}
	switch roll := rand.IntN(20); roll {
	case 0:
		out.do = "spend"
	case 1:
		out.do = "byok"
	case 2, 3:
		out.do = "refund"
	case 4:
		out.do, out.amount = "limit", 10+n*5
	case 5:
		out.do, out.amount = "read", 0
	case 6, 7, 8:
		out.do, out.amount = "look", 0
	case 9, 10, 11, 12:
		out.do, out.ttl = "reserve", time.Duration(1+rand.IntN(90))*time.Second
	case 13, 14, 15:
		if out.id = made.pick(); out.id != "" && roll == 13 {
			out.do, out.amount = "release", 0
		} else if out.id != "" {
			out.do = "settle"
		}
	}
	return out
}

func (d *doer) doMoney(what moneyDeed) moneyReply {
	ctx := context.Background()
	switch what.do {
	case "verify", "look":
		return d.verifyMoney(&keys.VerifyRequest{Secret: d.secret, SpendMicros: what.amount})
	case "reserve":
		if rand.IntN(2) == 0 {
			return d.verifyMoney(&keys.VerifyRequest{Secret: d.secret, Reserve: &what.amount, ReserveTTL: what.ttl})
		}
		hold, m, outcome, err := d.manager.Reserve(ctx, d.root, d.id, what.amount, what.ttl)
		return d.answeredMoney(m, outcome, hold, err)
	case "spend", "byok":
		kind := map[string]keys.SpendKind{"spend": keys.SpendOwn, "byok": keys.SpendBYOK}[what.do]
		return d.repliedMoney(d.manager.Spend(ctx, d.root, d.id, what.amount, kind))
	case "refund":
		return d.repliedMoney(d.manager.Refund(ctx, d.root, d.id, what.amount, keys.SpendOwn))
	case "settle":
		return d.repliedMoney(d.manager.Settle(ctx, d.root, what.id, what.amount, keys.SpendOwn))
	case "release":
		return d.repliedMoney(nil, d.manager.ReleaseReservation(ctx, d.root, what.id))
	case "limit":
		k, err := d.manager.UpdateKey(ctx, d.root, d.id, keys.KeySettings{Budget: keys.Some(&keys.BudgetSettings{Limit: keys.Some(what.amount)})}, keys.Match{})
		return d.repliedMoney(k.Money, err)
	}
	k, err := d.manager.Key(ctx, d.root, d.id)
	return d.repliedMoney(k.Money, err)
}

func (d *doer) verifyMoney(req *keys.VerifyRequest) moneyReply {
	v, err := d.verifier.Verify(context.Background(), &d.root, req)
	return d.answeredMoney(v.Money, v.Outcome, v.Reservation, err)
}

// answeredMoney is the reply of what has an outcome.
func (d *doer) answeredMoney(m *keys.Money, outcome keys.Outcome, hold *keys.Hold, err error) moneyReply {
	r := d.repliedMoney(m, err)
	if r.done = outcome == keys.Valid; !r.done && outcome != keys.BudgetExhausted {
		d.Errorf("the outcome is %s", outcome)
	}
	if hold != nil {
		r.id = hold.ID
	}
	return r
}

// repliedMoney is the reply of what was done, or refused as a conflict.
func (d *doer) repliedMoney(m *keys.Money, err error) moneyReply {
	if err != nil && !keys.Is(err, keys.Conflict) {
		d.Error(err)
	}
	if err != nil || m == nil {
		return moneyReply{done: err == nil}
	}
	f := m.Figures(d.now)
	out := moneyFigures{limit: f.Limit, own: f.Spent, byok: f.BYOKSpent, remaining: f.Remaining, overdrawn: f.Overdrawn}
	for _, held := range m.Held {
		if held.ExpiresAt.After(d.now) {
			out.held += held.Micros
		}
	}
	return moneyReply{done: true, told: true, figures: out}
}
