package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A deed is one call that concerns the balance of a key, at a moment by the
// clock of whoever makes it.
type deed struct {
	do     string
	amount int64
	at     time.Time
}

// A reply is what was answered: whether the deed was done, and the balance;
// -1 where none was told.
type reply struct {
	done bool
	left int64
}

// deeds says what each deed makes of the balance, and whether it may be done. A
// refill that is due comes with the next change, and is shown before it.
var deeds = map[string]func(c keys.Credits, d deed) (_ keys.Credits, ok bool){
	"verify": func(c keys.Credits, d deed) (keys.Credits, bool) {
		c = c.At(d.at)
		c.Remaining -= d.amount
		return c, c.Remaining >= 0
	},
	"set": func(c keys.Credits, d deed) (keys.Credits, bool) {
		c = c.At(d.at)
		c.Remaining = d.amount
		return c, true
	},
	"increment": func(c keys.Credits, d deed) (keys.Credits, bool) {
		c = c.At(d.at)
		c.Remaining += d.amount
		return c, true
	},
	"decrement": func(c keys.Credits, d deed) (keys.Credits, bool) {
		c = c.At(d.at)
		c.Remaining -= d.amount
		return c, c.Remaining >= 0
	},
	"drain": func(c keys.Credits, d deed) (keys.Credits, bool) {
		c = c.At(d.at)
		c.Remaining = max(0, c.Remaining-d.amount)
		return c, true
	},
	"refill": func(c keys.Credits, d deed) (keys.Credits, bool) {
		if c.Refill.Amount != d.amount {
			r := *c.Refill
			r.Amount = d.amount
			c = c.At(d.at)
			c.Refill, c.RefilledAt = &r, d.at
		}
		return c, true
	},
	"look": func(c keys.Credits, d deed) (keys.Credits, bool) { return c, true },
	"read": func(c keys.Credits, d deed) (keys.Credits, bool) { return c, true },
}

// aBalance is the object by whose rules there must be one order of all deeds,
// each between its call and its answer.
func aBalance(first keys.Credits) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, input, output any) (bool, any) {
			before, d, r := state.(keys.Credits), input.(deed), output.(reply)
			after, ok := deeds[d.do](before, d)
			if !ok {
				return !r.done && (r.left < 0 || r.left == before.At(d.at).Remaining), before
			}
			return r.done && r.left == after.At(d.at).Remaining, after
		},
		Equal: func(a, b any) bool {
			x, y := a.(keys.Credits), b.(keys.Credits)
			return x.Remaining == y.Remaining && x.RefilledAt.Equal(y.RefilledAt) && *x.Refill == *y.Refill
		},
	}
}

// TestOneOrder makes all kinds of deeds from many sides at once, and finds for
// every history one order in which all the answers are right.
func TestOneOrder(t *testing.T) {
	for _, durability := range []string{"strict", "relaxed"} {
		t.Run(durability, func(t *testing.T) {
			h := newHome(t)
			if durability == "relaxed" {
				h.store.Relax()
			}
			refused := 0
			for n := range 120 {
				mode := []keys.RefillMode{keys.RefillAdd, keys.RefillSet, keys.RefillRaise}[n%3]
				k, secret := h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](12), Refill: keys.Some(&keys.RefillSettings{
					Amount: keys.Some[int64](5), Mode: keys.Some(mode),
					Every: keys.Some(keys.Rhythm{Every: keys.EverySpan, Span: span.Of(time.Minute)}),
				})})})
				history, first := recordHistory(h, &k, secret, func(d *doer) (any, func() any) {
					what := d.choose()
					return what, func() any { return d.do(what) }
				}), *k.Credits
				mustHaveOrder(t, aBalance(first), history)
				for _, op := range history {
					if !op.Output.(reply).done {
						refused++
					}
				}
			}
			if refused < 100 {
				t.Errorf("%d deeds were refused, too few to tell anything", refused)
			}
		})
	}
}

// A doer makes deeds by a clock of its own, which is that of all as it was a
// moment ago.
type doer struct {
	*home
	id       string
	secret   token.Secret
	now      time.Time
	manager  keys.Manager
	verifier keys.Verifier
}

// recordHistory lets some doers work on one new key at once. choose says what a
// doer does next, and how.
func recordHistory(h *home, k *keys.Key, secret token.Secret, choose func(*doer) (what any, do func() (answer any))) (all []porcupine.Operation) {
	const doers, each = 6, 8
	var clock, order atomic.Int64
	var wg sync.WaitGroup
	histories := make([][]porcupine.Operation, doers)
	for i := range doers {
		wg.Go(func() {
			d := &doer{home: h, id: k.ID, secret: secret}
			d.manager = keys.Manager{Store: h.store, Ledger: h.store, Recorder: h.usage, Counts: h.usage, Vault: h.manager.Vault, Clock: d.clock}
			d.verifier = keys.Verifier{Records: h.verifier.Records, Limiter: h.verifier.Limiter, Ledger: h.store, Recorder: h.usage, Clock: d.clock}
			for range each {
				d.now = k.CreatedAt.Add(time.Duration(clock.Add(rand.Int64N(15))) * time.Second)
				what, do := choose(d)
				begin := order.Add(1)
				answer := do()
				histories[i] = append(histories[i], porcupine.Operation{ClientId: i, Input: what, Call: begin, Output: answer, Return: order.Add(1)})
			}
		})
	}
	wg.Wait()
	for _, own := range histories {
		all = append(all, own...)
	}
	return all
}

func (d *doer) clock() time.Time { return d.now }

func (d *doer) choose() deed {
	n := 1 + rand.Int64N(6)
	switch rand.IntN(20) {
	case 0:
		return deed{"set", n * 2, d.now}
	case 1:
		return deed{"increment", n, d.now}
	case 2:
		return deed{"decrement", n, d.now}
	case 3:
		return deed{"drain", n, d.now}
	case 4:
		return deed{"refill", n, d.now}
	case 5, 6, 7, 8, 9:
		return deed{"look", 0, d.now}
	case 10:
		return deed{"read", 0, d.now}
	}
	return deed{"verify", n, d.now}
}

func (d *doer) do(what deed) reply {
	ctx := context.Background()
	switch what.do {
	case "verify", "look":
		v, err := d.verifier.Verify(ctx, &d.root, &keys.VerifyRequest{Secret: d.secret, Cost: &what.amount})
		if err != nil {
			d.Error(err)
			return reply{}
		}
		return reply{v.Outcome == keys.Valid, v.Credits.Remaining}
	case "read":
		k, err := d.manager.Key(ctx, d.root, d.id)
		return d.replied(k.Credits, err)
	case "refill":
		k, err := d.manager.UpdateKey(ctx, d.root, d.id, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{
			Refill: keys.Some(&keys.RefillSettings{Amount: keys.Some(what.amount)})})}, keys.Match{})
		return d.replied(k.Credits, err)
	case "drain":
		return d.replied(d.manager.DrainCredits(ctx, d.root, d.id, what.amount))
	}
	op := map[string]keys.CreditOperation{"set": keys.CreditSet, "increment": keys.CreditIncrement, "decrement": keys.CreditDecrement}[what.do]
	return d.replied(d.manager.ChangeCredits(ctx, d.root, d.id, op, what.amount))
}

// replied is the reply of what was done, or refused as a conflict.
func (d *doer) replied(c *keys.Credits, err error) reply {
	if keys.Is(err, keys.Conflict) {
		return reply{false, -1}
	}
	if err != nil {
		d.Error(err)
		return reply{}
	}
	return reply{true, c.At(d.now).Remaining}
}

func (d deed) String() string {
	return fmt.Sprintf("%s: %s %d", d.at.Format("15:04:05"), d.do, d.amount)
}

// mustHaveOrder finds an order of the calls of a history in which all the answers
// are right.
func mustHaveOrder(t *testing.T, model porcupine.Model, history []porcupine.Operation) {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(model, history, time.Minute) {
	case porcupine.Illegal:
		t.Fatalf("there is no order in which these answers are right: %s", tell(history))
	case porcupine.Unknown:
		t.Fatalf("no order was found in a minute: %s", tell(history))
	}
}

// tell writes a history out, in the order of the calls' begins.
func tell(history []porcupine.Operation) (text string) {
	for _, op := range history {
		text += fmt.Sprintf("\n%3d to %3d: by %d at %v: %+v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return text
}
