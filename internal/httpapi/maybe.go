package httpapi

// A Maybe is a member of a body that may be absent, null or a value, where
// absence leaves what is there.
type Maybe[T any] struct {
	Value T
	Given bool // null too
	Null  bool
}

// Present implements [Presence].
func (o *Maybe[T]) Present(null bool) any {
	o.Given, o.Null = true, null
	return &o.Value
}

// Pointer returns the value, nil where there is none.
func (o *Maybe[T]) Pointer() *T {
	if !o.Given || o.Null {
		return nil
	}
	return &o.Value
}
