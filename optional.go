package latchkey

import (
	"bytes"
	"encoding/json"
)

// An Optional is a member that may be absent, null or a value, where the three
// mean different things: absent leaves what is there, null clears it. The zero
// Optional is absent; tag its field omitzero.
type Optional[T any] struct {
	Value   T
	present bool
	null    bool
}

// Some returns a member that is there.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, present: true} }

// Null returns a member that is null.
func Null[T any]() Optional[T] { return Optional[T]{present: true, null: true} }

// Given reports whether the member is there, null or not.
func (o Optional[T]) Given() bool { return o.present }

// IsNull reports whether the member is null.
func (o Optional[T]) IsNull() bool { return o.null }

// IsZero reports whether the member is absent.
func (o Optional[T]) IsZero() bool { return !o.present }

// Present marks the member as given, and returns where its value goes. It is
// for decoders.
func (o *Optional[T]) Present(null bool) any {
	o.present, o.null = true, null
	return &o.Value
}

// MarshalJSON writes the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.present || o.null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads a value or null.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	null := bytes.Equal(b, []byte("null"))
	v := o.Present(null)
	if null {
		return nil
	}
	return json.Unmarshal(b, v)
}
