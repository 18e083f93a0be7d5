package keys

import (
	"slices"
	"strings"
	"time"
)

// Charged is what uses took: credits, and money in millionths of a dollar.
type Charged struct {
	Credits int64
	Micros  int64
}

// Plus returns the sum of both.
func (c Charged) Plus(d Charged) Charged { return Charged{c.Credits + d.Credits, c.Micros + d.Micros} }

// A TagSet is the tags of a verification, each once and in order, as one text.
// It is "" where there are none.
type TagSet string

// OtherTags is what takes the place of tags where a key has too many different
// sets of them within an hour.
const OtherTags TagSet = "other"

// tagEnd is between tags, and in none of them.
const tagEnd = "\x00"

// NewTagSet returns the set of some tags, which it leaves as they are. What no
// column can hold becomes U+FFFD. The text of a single tag is that tag itself.
func NewTagSet(tags []string) TagSet {
	switch len(tags) {
	case 0:
		return ""
	case 1:
		return TagSet(cleanTag(tags[0]))
	}
	sorted := make([]string, len(tags))
	for i, t := range tags {
		sorted[i] = cleanTag(t)
	}
	slices.Sort(sorted)
	return TagSet(strings.Join(slices.Compact(sorted), tagEnd))
}

func cleanTag(tag string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(tag, "\uFFFD"), tagEnd, "\uFFFD")
}

// Len returns how many tags there are.
func (s TagSet) Len() int {
	if s == "" {
		return 0
	}
	return strings.Count(string(s), tagEnd) + 1
}

// Tags returns the tags.
func (s TagSet) Tags() []string {
	if s == "" {
		return nil
	}
	return strings.Split(string(s), tagEnd)
}

// A Count is how often verifications of one key with the same tags had one
// outcome in one hour, and what they took. Money that was spent outside of a
// verification is with those that were accepted and had no tags.
type Count struct {
	WorkspaceID, KeyspaceID, KeyID, OwnerID string

	Outcome Outcome
	Tags    TagSet
	Hour    time.Time
	N       int64
	Charged
}

// A LastUse is when a secret was last seen to be used.
type LastUse struct {
	KeyID, SecretID string

	At time.Time
}

// A Bucket is how long a time counts are added up for: an hour, day or month
// in UTC.
type Bucket string

// The buckets.
const (
	HourBucket  Bucket = "hour"
	DayBucket   Bucket = "day"
	MonthBucket Bucket = "month"
)

// Start returns the beginning of the bucket in which t is.
func (b Bucket) Start(t time.Time) time.Time {
	t = t.UTC()
	y, m, d := t.Date()
	switch b {
	case MonthBucket:
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	case DayBucket:
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(y, m, d, t.Hour(), 0, 0, 0, time.UTC)
}

// After returns the beginning of the nth bucket after the one that begins at
// start; n may be negative.
func (b Bucket) After(start time.Time, n int) time.Time {
	switch b {
	case MonthBucket:
		return start.AddDate(0, n, 0)
	case DayBucket:
		return start.AddDate(0, 0, n)
	}
	return start.Add(time.Duration(n) * time.Hour)
}

// A UsageFilter selects counts of one workspace, and says how to add them up.
type UsageFilter struct {
	KeyID      string // "": any
	OwnerID    string // "": any
	KeyspaceID string // "": any
	Tag        string // "": with any tags, or none

	From, To time.Time // hours that begin in [From, To)

	Bucket Bucket
	By     UsageGroups

	// Word names outcomes; those of one name are added up together. Nil: each
	// has its own.
	Word func(Outcome) string

	After *UsageSum // the last row of the page before; nil: from the newest on
	Limit int       // 0: all
}

// UsageGroups are what counts are kept apart by. Under Tag a verification is
// in the row of each of its tags, and in none where it has no tags.
type UsageGroups struct {
	Outcome, Key, Owner, Tag bool
}

// A UsageSum adds up the counts of one group in one bucket. What they are not
// grouped by is "".
type UsageSum struct {
	Start   time.Time // of the bucket
	Outcome string
	KeyID   string
	Owner   Owner // its external id is "" where it is not there any more
	Tag     string
	N       int64
	Charged
}
