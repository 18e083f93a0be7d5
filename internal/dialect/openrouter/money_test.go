package openrouter_test

import (
	"fmt"
	"testing"
	"time"
)

// at reads a time.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse("Mon 2006-01-02 15:04:05.999", text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// A moment is when money is spent, and what the key shows then.
type moment struct {
	when      string
	own, byok float64 // spent at that moment, in dollars

	usage, daily, weekly, monthly float64 // and the same of byok in byokShown
	byokShown                     [4]float64
	remaining                     float64
}

// TestWindows walks over the ends of days, weeks and months. Windows are UTC,
// weeks begin on Monday, and what a key has left follows the one of its reset.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name, reset string
		byok        bool
		moments     []moment
	}{
		{"daily", `"daily"`, false, []moment{
			{"Sat 2026-11-21 23:59:59.999", 10, 1, 10, 10, 10, 10, [4]float64{1, 1, 1, 1}, 90},
			{"Sun 2026-11-22 00:00:00", 0, 0, 10, 0, 10, 10, [4]float64{1, 0, 1, 1}, 100},
			{"Sun 2026-11-22 12:00:00", 5, 0, 15, 5, 15, 15, [4]float64{1, 0, 1, 1}, 95},
		}},
		{"weekly over Sunday to Monday", `"weekly"`, false, []moment{
			{"Sun 2026-11-22 23:59:59.999", 30, 20, 30, 30, 30, 30, [4]float64{20, 20, 20, 20}, 70},
			{"Mon 2026-11-23 00:00:00", 0, 0, 30, 0, 0, 30, [4]float64{20, 0, 0, 20}, 100},
			{"Mon 2026-11-23 00:00:01", 1, 2, 31, 1, 1, 31, [4]float64{22, 2, 2, 22}, 99},
			{"Sun 2026-11-29 23:59:59", 1, 0, 32, 1, 2, 32, [4]float64{22, 0, 2, 22}, 98},
			{"Mon 2026-11-30 00:00:00", 0, 0, 32, 0, 0, 32, [4]float64{22, 0, 0, 22}, 100},
		}},
		{"weekly over Sunday to Monday, with byok", `"weekly"`, true, []moment{
			{"Sun 2026-11-22 23:59:59.999", 30, 20, 30, 30, 30, 30, [4]float64{20, 20, 20, 20}, 50},
			{"Mon 2026-11-23 00:00:00", 0, 0, 30, 0, 0, 30, [4]float64{20, 0, 0, 20}, 100},
			{"Mon 2026-11-23 00:00:01", 1, 2, 31, 1, 1, 31, [4]float64{22, 2, 2, 22}, 97},
		}},
		{"monthly", `"monthly"`, false, []moment{
			{"Mon 2026-11-30 23:59:59.999", 40, 7, 40, 40, 40, 40, [4]float64{7, 7, 7, 7}, 60},
			{"Tue 2026-12-01 00:00:00", 0, 0, 40, 0, 40, 0, [4]float64{7, 0, 7, 0}, 100},
			{"Thu 2026-12-31 23:59:59", 2, 0, 42, 2, 2, 2, [4]float64{7, 0, 0, 0}, 98},
			{"Fri 2027-01-01 00:00:00", 0, 0, 42, 0, 2, 0, [4]float64{7, 0, 0, 0}, 100},
			{"Sun 2027-02-28 23:59:59", 3, 0, 45, 3, 3, 3, [4]float64{7, 0, 0, 0}, 97},
			{"Mon 2027-03-01 00:00:00", 0, 0, 45, 0, 0, 0, [4]float64{7, 0, 0, 0}, 100},
		}},
		{"monthly in a leap year, with byok", `"monthly"`, true, []moment{
			{"Tue 2028-02-29 23:59:59.999", 40, 70, 40, 40, 40, 40, [4]float64{70, 70, 70, 70}, 0},
			{"Wed 2028-03-01 00:00:00", 0, 0, 40, 0, 40, 0, [4]float64{70, 0, 70, 0}, 100},
		}},
		{"daily, with byok", `"daily"`, true, []moment{
			{"Thu 2026-12-31 23:59:59.999", 10, 17.38, 10, 10, 10, 10, [4]float64{17.38, 17.38, 17.38, 17.38}, 72.62},
			{"Fri 2027-01-01 00:00:00", 0, 0, 10, 0, 10, 0, [4]float64{17.38, 0, 17.38, 0}, 100},
		}},
		{"for ever", `null`, false, []moment{
			{"Sun 2026-11-22 12:00:00", 60, 60, 60, 60, 60, 60, [4]float64{60, 60, 60, 60}, 40},
			{"Tue 2030-01-01 00:00:00", 0, 0, 60, 0, 0, 0, [4]float64{60, 0, 0, 0}, 40},
			{"Tue 2030-01-01 00:00:01", 60, 0, 120, 60, 60, 60, [4]float64{60, 0, 0, 0}, 0},
		}},
		{"for ever, with byok", `null`, true, []moment{
			{"Sun 2026-11-22 12:00:00", 60, 30, 60, 60, 60, 60, [4]float64{30, 30, 30, 30}, 10},
			{"Tue 2030-01-01 00:00:00", 0, 0, 60, 0, 0, 0, [4]float64{30, 0, 0, 0}, 10},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			k, secret := s.makeKey(t, fmt.Sprintf(`,"limit":100,"limit_reset":%s,"include_byok_in_limit":%t`, c.reset, c.byok))
			id := s.idOf(t, secret)
			for _, m := range c.moments {
				s.moveTo(at(t, m.when))
				for kind, dollars := range map[string]float64{"own": m.own, "byok": m.byok} {
					if dollars != 0 {
						s.spend(t, id, fmt.Sprintf("%.0f", dollars*1e6), kind)
					}
				}
				s.shows(t, &m, k.Hash, secret)
			}
		})
	}
}

// shows compares what a moment is to show with what is told of a key, alone and
// in the list, and to its holder.
func (s *running) shows(t *testing.T, m *moment, hash, secret string) {
	t.Helper()
	var list struct{ Data []keyView }
	s.do(t, "GET", "/api/v1/keys", "", &list)
	var current struct{ Data keyView }
	s.doAs(t, secret, "GET", "/api/v1/key", "", &current)
	for what, got := range map[string]keyView{"the key": s.getKey(t, hash), "the list": list.Data[0], "the holder": current.Data} {
		own := [4]float64{got.Usage, got.UsageDaily, got.UsageWeekly, got.UsageMonthly}
		byok := [4]float64{got.BYOKUsage, got.BYOKUsageDaily, got.BYOKUsageWeekly, got.BYOKUsageMonthly}
		if own != [4]float64{m.usage, m.daily, m.weekly, m.monthly} || byok != m.byokShown || *got.LimitRemaining != m.remaining {
			t.Errorf("%s, %s shows %v, %v, and %v left; want %+v", m.when, what, own, byok, *got.LimitRemaining, *m)
		}
	}
}

// TestLimitsMove changes limits over what was spent, which stays, and asks each
// time whether a use is accepted.
func TestLimitsMove(t *testing.T) {
	s := start(t)
	k, secret := s.makeKey(t, "")
	id := s.idOf(t, secret)
	s.spend(t, id, "5000000", "own")
	s.spend(t, id, "3000000", "byok")
	for _, c := range []struct {
		patch     string
		remaining float64 // below 0: null
		valid     bool
	}{
		{`{}`, -1, true},
		{`{"limit":5.000001}`, 0.000001, true},
		{`{"limit":5}`, 0, false},
		{`{"limit":4}`, 0, false},
		{`{"limit":8.5,"include_byok_in_limit":true}`, 0.5, true},
		{`{"limit":8}`, 0, false},
		{`{"include_byok_in_limit":false}`, 3, true},
		{`{"limit_reset":"daily"}`, 3, true},
		{`{"limit":0}`, 0, false},
		{`{"limit":null}`, -1, true},
		{`{"limit":6,"limit_reset":null}`, 1, true},
	} {
		var got struct{ Data keyView }
		s.do(t, "PATCH", "/api/v1/keys/"+k.Hash, c.patch, &got)
		var v struct{ Valid bool }
		s.do(t, "POST", "/latchkey/v1/verify", `{"key":"`+secret+`"}`, &v)
		left := -1.0
		if got.Data.LimitRemaining != nil {
			left = *got.Data.LimitRemaining
		}
		if left != c.remaining || v.Valid != c.valid || got.Data.Usage != 5 || got.Data.BYOKUsage != 3 {
			t.Errorf("after %s: %v left, valid %v, %+v; want %v and %v", c.patch, left, v.Valid, got.Data, c.remaining, c.valid)
		}
	}

	// Money that is set aside is not left, and settled it is spent.
	var hold struct{ ID string }
	s.do(t, "POST", "/latchkey/v1/keys/"+id+"/reservations", `{"amount_micros":750000}`, &hold)
	if got := s.getKey(t, k.Hash); *got.LimitRemaining != 0.25 || got.Usage != 5 {
		t.Errorf("with money set aside: %+v", got)
	}
	s.do(t, "POST", "/latchkey/v1/reservations/"+hold.ID+"/settle", `{"amount_micros":123456}`, nil)
	if got := s.getKey(t, k.Hash); *got.LimitRemaining != 0.876544 || got.Usage != 5.123456 {
		t.Errorf("after it was settled: %+v", got)
	}
}
