package native

import (
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
)

// fixed are the members that most resources have and nobody sets. They may be
// sent back as they are.
type fixed struct {
	ID        jsontext.Value `json:"id"`
	CreatedAt jsontext.Value `json:"created_at"`
	UpdatedAt jsontext.Value `json:"updated_at"`
}

func (f *fixed) members() map[string]jsontext.Value {
	return map[string]jsontext.Value{"id": f.ID, "created_at": f.CreatedAt, "updated_at": f.UpdatedAt}
}

// checkFixed reports members that were sent with another value than that of
// the answer; nil stands for a thing that is not there yet, of which they may
// only be null.
func checkFixed(sent map[string]jsontext.Value, answer any, faults *keys.Faults) error {
	have := map[string]jsontext.Value{}
	if answer != nil {
		b, err := jsonv2.Marshal(answer)
		if err == nil {
			err = jsonv2.Unmarshal(b, &have)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range sortedNames(sent) {
		v := sent[name]
		switch {
		case v == nil, answer == nil && v.Kind() == 'n':
		case answer == nil:
			faults.Add(name, "cannot be set")
		case canonical(v) != canonical(have[name]):
			faults.Add(name, "cannot be set, and is not what it is now")
		}
	}
	return nil
}

// anySent reports whether one of the members was sent.
func anySent(sent map[string]jsontext.Value) bool {
	for _, v := range sent {
		if v != nil {
			return true
		}
	}
	return false
}
