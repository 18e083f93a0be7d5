package store

import (
	"bytes"
	bin "encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"latchkey/internal/keys"
)

// An entry of the journal says what an account has: its id, the number of the
// change, which parts follow, and of credits what remains and when they were
// refilled, and of money what was spent. What only settings change is not there.

// Parts of an entry.
const (
	entryCredits = 1 << iota
	entryMoney
)

func appendEntry(b []byte, id string, st balance) []byte {
	b = bin.AppendUvarint(b, uint64(len(id)))
	b = append(b, id...)
	b = bin.AppendVarint(b, st.rev)
	parts := int64(0)
	if st.Credits != nil {
		parts |= entryCredits
	}
	if st.Money != nil {
		parts |= entryMoney
	}
	b = bin.AppendVarint(b, parts)
	if st.Credits != nil {
		b = bin.AppendVarint(b, st.Credits.Remaining)
		b = bin.AppendVarint(b, millis(st.Credits.RefilledAt))
	}
	if st.Money != nil {
		for _, n := range spentForm(st.Money.Spent) {
			b = bin.AppendVarint(b, n)
		}
	}
	return b
}

var errJournal = errors.New("the journal of balances is damaged")

// A row of the journal begins with rowMark and a CRC-32C of the entries that
// follow. Rows that were written before there were checksums begin with an entry:
// rowMark is where its id would be longer than any row, so that a program which
// knows of no checksum refuses it, and so is what one damaged byte makes of it,
// but for ids that no account has.
const (
	rowMark = "\xff\xff\xff\xff\x01"
	rowHead = len(rowMark) + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newRow returns a row without entries, with room for so many.
func newRow(entries int) []byte {
	b := make([]byte, rowHead, rowHead+48*entries)
	copy(b, rowMark)
	return b
}

// sealRow writes a row's checksum, once it has all its entries.
func sealRow(b []byte) {
	bin.LittleEndian.PutUint32(b[len(rowMark):], crc32.Checksum(b[rowHead:], castagnoli))
}

// openRow returns the entries of a row, and whether a checksum says that they
// are as they were written.
func openRow(b []byte) (entries []byte, checked bool, err error) {
	if !bytes.HasPrefix(b, []byte(rowMark)) {
		return b, false, nil
	}
	if len(b) < rowHead || bin.LittleEndian.Uint32(b[len(rowMark):]) != crc32.Checksum(b[rowHead:], castagnoli) {
		return nil, true, errJournal
	}
	return b[rowHead:], true, nil
}

// isID reports whether some bytes may be the id of an account.
func isID(b []byte) bool {
	return len(b) > 0 && !slices.ContainsFunc(b, func(c byte) bool { return c <= ' ' || c > '~' })
}

// An entry is what the journal says of an account. Its credits and money have
// no settings.
type entry struct {
	id string
	balance
}

// eachEntry reads the entries of one row, and reports whether it has a checksum.
func eachEntry(b []byte, fn func(entry)) (checked bool, err error) {
	if b, checked, err = openRow(b); err != nil {
		return checked, err
	}
	bad := false
	next := func() int64 {
		n, size := bin.Varint(b)
		if size <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[size:]
		return n
	}
	for len(b) > 0 && !bad {
		size, n := bin.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) || !isID(b[n:n+int(size)]) {
			return checked, errJournal
		}
		e := entry{id: string(b[n : n+int(size)])}
		b = b[n+int(size):]
		e.rev = next()
		parts := next()
		if parts&entryCredits != 0 {
			e.Credits = &keys.Credits{Remaining: next()}
			e.Credits.RefilledAt = fromMillis(next())
		}
		if parts&entryMoney != 0 {
			var form [spentSize]int64
			for i := range form {
				form[i] = next()
			}
			e.Money = &keys.Money{Spent: spentFrom(form)}
		}
		if !bad {
			fn(e)
		}
	}
	if bad {
		return checked, errJournal
	}
	return checked, nil
}
