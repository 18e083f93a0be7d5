package tatry

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/keys"
)

const (
	pageLimit = 100 // and what a page has where nothing is said
	maxOffset = 1 << 31
	monthForm = "2006-01"
)

// statuses has the words by which the list is filtered: word → status.
var statuses = map[string]keys.Status{
	"active":   keys.StatusActive,
	"expired":  keys.StatusExpired,
	"inactive": keys.StatusDisabled,
}

// A listQuery says which keys of the list are wanted.
type listQuery struct {
	filter  keys.KeyFilter
	nothing bool // no key has the status
}

// parseList reads the query of a list. What is empty is as if it were not
// there; an integer out of bounds is moved to the nearest bound; a status that
// is not known is that of no key.
func parseList(raw string) (listQuery, error) {
	var q listQuery
	values, err := parseQuery(raw)
	if err != nil {
		return q, err
	}
	if word := values.Get("status"); word != "" {
		status, known := statuses[word]
		q.filter.Status, q.nothing = status, !known
	}
	var faults keys.Faults
	q.filter.Limit = integer(values, "limit", pageLimit, 1, pageLimit, &faults)
	q.filter.Offset = integer(values, "offset", 0, 0, maxOffset, &faults)
	return q, faults.Err()
}

// integer reads an integer and moves it into [low, high].
func integer(values url.Values, name string, absent, low, high int, faults *keys.Faults) int {
	text := values.Get(name)
	if text == "" {
		return absent
	}
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		faults.Add(name, "must be an integer")
		return absent
	}
	// Beyond 64 bits, ParseInt gives the bound that was passed.
	n, _ := strconv.ParseInt(text, 10, 64)
	return int(min(max(n, int64(low)), int64(high)))
}

// parseMonth returns the beginning of the month that a query names, in UTC;
// the present one where it names none.
func parseMonth(raw string, now time.Time) (time.Time, error) {
	values, err := parseQuery(raw)
	if err != nil {
		return time.Time{}, err
	}
	text := values.Get("month")
	if text == "" {
		now = now.UTC()
		return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), nil
	}
	month, err := time.Parse(monthForm, text)
	if err != nil {
		return month, keys.Faults{{Field: "month", Detail: "must be a month as YYYY-MM, such as 2024-02"}}.Err()
	}
	return month, nil
}

// parseQuery reads a query. Parameters that are not known are passed over.
func parseQuery(raw string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, keys.Errorf(keys.Invalid, "the query of the URL cannot be read")
	}
	return values, nil
}
