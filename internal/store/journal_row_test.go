package store

import (
	"bytes"
	"database/sql"
	bin "encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/keys"
)

// entryOf is one of the journal.
func entryOf(id string, rev, remaining int64) []byte {
	return appendEntry(nil, id, balance{Account: keys.Account{Credits: &keys.Credits{Remaining: remaining}}, rev: rev})
}

// sealed is a row with some entries, and bare one as it was before there were
// checksums.
func sealed(entries ...[]byte) []byte {
	row := append(newRow(0), slices.Concat(entries...)...)
	sealRow(row)
	return row
}

func bare(entries ...[]byte) []byte { return append([]byte{}, slices.Concat(entries...)...) }

// putRows makes a journal of some rows.
func putRows(t *testing.T, db *sql.DB, rows ...[]byte) {
	t.Helper()
	if _, err := db.Exec(`DELETE FROM journal`); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if _, err := db.Exec(`INSERT INTO journal (id, entries) VALUES ($1, $2)`, int64(i+1), row); err != nil {
			t.Fatal(err)
		}
	}
}

// mustBeRefused opens no store on a journal, changes nothing, so that it can be
// mended, and says in which file it is.
func mustBeRefused(t *testing.T, what, path string, db *sql.DB, rows ...[]byte) {
	t.Helper()
	putRows(t, db, rows...)
	s, err := Open(t.Context(), "sqlite:"+path)
	if err == nil {
		s.Close()
		t.Fatalf("%s: a store is opened", what)
	}
	if !errors.Is(err, errJournal) || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v", what, err)
	}
	var left, below int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM credits WHERE remaining < 1000)`).Scan(&left, &below); err != nil || left != len(rows) || below != 0 {
		t.Fatalf("%s: after it was refused, the journal has %d rows and %d accounts have changed: %v", what, left, below, err)
	}
}

// TestJournalOfManyEntries starts from a journal that tells of an account more
// than once, of some that are gone, and of older states after newer ones; from
// one that an older program has left, too.
func TestJournalOfManyEntries(t *testing.T) {
	for form, row := range map[string]func(...[]byte) []byte{"with checksums": sealed, "without": bare} {
		t.Run(form, func(t *testing.T) {
			path := closed(t, 3)
			putRows(t, rawFile(t, path),
				row(entryOf("account-0", 9001, 900), entryOf("account-1", 9002, 901)),
				row(entryOf("account-0", 9005, 800), entryOf("gone", 9006, 1), entryOf("account-0", 9004, 850)),
				row(entryOf("account-0", 9003, 860)),
				row(entryOf("account-2", 1, 5), entryOf("account-1", 9007, 700)), // of account-2 the row knows better
				row([]byte{}),
			)
			s, err := Open(t.Context(), "sqlite:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for id, want := range map[string]int64{"account-0": 800, "account-1": 700, "account-2": 1000} {
				if got := left(t, s, id); got != want {
					t.Errorf("%s has %d, want %d", id, got, want)
				}
				spendOne(t, s, id, 1, want-1) // by a number past those of the journal
				if got := left(t, crash(t, path), id); got != want-1 {
					t.Errorf("after a crash %s has %d, want %d", id, got, want-1)
				}
			}
		})
	}
}

// TestDamagedRow makes every byte of a row every other, and cuts it at every
// place: none of that is taken for a row.
func TestDamagedRow(t *testing.T) {
	for _, account := range []keys.Account{
		{Credits: &keys.Credits{Remaining: 900}},
		{Credits: &keys.Credits{Remaining: 900}, Money: &keys.Money{Spent: keys.Spending{Own: keys.Sums{Total: 5_000_000, Day: 1, Week: 300, Month: 70_000}}}},
	} {
		first := appendEntry(nil, "key_0198c1d2e3f4a5b6c", balance{Account: account, rev: 9001})
		for what, row := range map[string][]byte{"one": sealed(first), "two": sealed(first, entryOf("key_1", 9002, 901)), "many": sealed(bytes.Repeat(first, 300)), "none": sealed()} {
			for i := range row[:min(len(row), 150)] {
				for by := 1; by < 256; by++ {
					damaged := slices.Clone(row)
					damaged[i] ^= byte(by)
					if _, err := eachEntry(damaged, func(entry) {}); !errors.Is(err, errJournal) {
						t.Errorf("a row of %s entries with %#x for %#x at %d: %v", what, damaged[i], row[i], i, err)
					}
				}
				if _, err := eachEntry(row[:i], func(entry) {}); i > 0 && !errors.Is(err, errJournal) {
					t.Errorf("a row of %s entries that is cut after %d bytes: %v", what, i, err)
				}
			}
			n := 0
			if id, _ := bin.Uvarint(row); id <= 1<<28 {
				t.Errorf("a program that knows of no checksum reads an id of %d bytes", id)
			}
			if sum, err := eachEntry(row, func(entry) { n++ }); !sum || err != nil {
				t.Errorf("a row of %s entries: %t, %v", what, sum, err)
			}
			if want := map[string]int{"one": 1, "two": 2, "many": 300}[what]; n != want {
				t.Errorf("of %s entries %d are read", what, n)
			}
		}
	}
}

// TestDamagedJournal damages a journal at every place: no store is opened on it.
func TestDamagedJournal(t *testing.T) {
	path := closed(t, 2)
	db := rawFile(t, path)
	first, second := entryOf("account-0", 9001, 900), entryOf("account-1", 9002, 901)
	whole, other := sealed(first, second), sealed(second)
	for i := range whole {
		damaged := slices.Clone(whole)
		damaged[i] ^= 1
		mustBeRefused(t, "a damaged byte", path, db, other, damaged)
	}
	for n := range len(whole) {
		mustBeRefused(t, "a row that is cut", path, db, whole[:n], other)
	}
	mustBeRefused(t, "a row without a checksum", path, db, whole, second)
	old := bare(first, second)
	for n := 1; n < len(old); n++ {
		if n != len(first) {
			mustBeRefused(t, "a row of an older program that is cut", path, db, old[:n])
		}
	}
	putRows(t, db, whole, other)
	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if a, b := left(t, s, "account-0"), left(t, s, "account-1"); a != 900 || b != 901 {
		t.Errorf("the accounts have %d and %d, want 900 and 901", a, b)
	}
}

// TestJournalIsWrittenWithChecksums spends and finds the rows of it sealed.
func TestJournalIsWrittenWithChecksums(t *testing.T) {
	s, _, _ := newSQLite(t)
	for i, id := range manyAccounts(t, s, 5, 1000) {
		spendOne(t, s, id, int64(i+1), 999-int64(i))
	}
	rows := 0
	err := s.look(t.Context(), func(q *session) error {
		return q.each(`SELECT entries FROM journal`, nil, func(row scan) error {
			var b []byte
			if err := row(&b); err != nil {
				return err
			}
			rows++
			sum, err := eachEntry(b, func(entry) {})
			if !sum {
				t.Errorf("%x has no checksum", b)
			}
			return err
		})
	})
	if err != nil || rows != 5 {
		t.Errorf("%d rows are sealed, want 5: %v", rows, err)
	}
}
