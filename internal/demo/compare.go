package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Comparison is what reading both tables whole showed.
type Comparison struct {
	Compared  int      `json:"rows_compared"`
	Missing   int      `json:"missing"`            // in the old table only
	Different int      `json:"different"`          // in both, and not the same
	Extra     int      `json:"extra"`              // in the new table only
	Back      int      `json:"back_from_the_dead"` // in the new table only, and the application had deleted it
	Markers   int      `json:"markers_left"`       // in the new table
	Examples  []string `json:"examples,omitempty"` // some of the above, in words
}

// OK reports that the tables are equal and nothing is left behind.
func (c Comparison) OK() bool {
	return c.Missing+c.Different+c.Extra+c.Back+c.Markers == 0
}

// maxExamples is how many differences are described.
const maxExamples = 10

func (c *Comparison) example(format string, args ...any) {
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, fmt.Sprintf(format, args...))
	}
}

// readers is how many segments of a table are read at the same time.
const readers = 8

type digest [sha256.Size]byte

// Compare reads both tables whole, consistently, and holds them against each other: every attribute's bytes, with
// members of objects and elements of sets in one order, since servers return them in any. Attributes of ours are left
// out on the new side. deleted says which keys the application has deleted.
func Compare(ctx context.Context, old, new *dynamodb.Table, schema events.KeySchema, names dynamodb.Attributes, deleted func(key string) bool) (Comparison, error) {
	var mu sync.Mutex
	want := map[events.Key]digest{}
	err := old.Items(ctx, readers, func(raw []byte) error {
		key, sum, _, err := digestOf(raw, schema, dynamodb.Attributes{})
		mu.Lock()
		defer mu.Unlock()
		want[key] = sum
		return err
	})
	if err != nil {
		return Comparison{}, fmt.Errorf("read table %s: %w", old.Name(), err)
	}
	c := Comparison{Compared: len(want)}
	err = new.Items(ctx, readers, func(raw []byte) error {
		key, sum, marker, err := digestOf(raw, schema, names)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		expected, known := want[key]
		switch {
		case marker:
			c.Markers++
			return nil
		case !known && deleted(string(key)):
			c.Back++
			c.example("back from the dead: %s", key)
		case !known:
			c.Extra++
			c.example("extra: %s", key)
		case expected != sum:
			c.Different++
			c.example("different: %s is now %s", key, raw)
		}
		delete(want, key)
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("read table %s: %w", new.Name(), err)
	}
	for key := range want {
		c.Missing++
		c.example("missing: %s", key)
	}
	return c, nil
}

// digestOf is an item's key, the digest of everything else of it that is not ours, and whether it is a marker.
func digestOf(raw []byte, schema events.KeySchema, ours dynamodb.Attributes) (key events.Key, sum digest, marker bool, err error) {
	item, err := events.NewDecoder(schema).Item(raw)
	if err != nil {
		return key, sum, false, err
	}
	if key, err = schema.Key(item); err != nil {
		return key, sum, false, err
	}
	slices.SortFunc(item.Attributes, func(a, b events.Attribute) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	hash := sha256.New()
	for _, a := range item.Attributes {
		switch a.Name {
		case ours.Deleted:
			marker = true
		case ours.Version, ours.Shard, ours.Tombstone:
		default:
			value, err := canonical(a.Value)
			if err != nil {
				return key, sum, marker, err
			}
			fmt.Fprintf(hash, "%q:%s\n", a.Name, value)
		}
	}
	return key, digest(hash.Sum(nil)), marker, nil
}

// canonical gives a typed value one form: members in order, sets in order. Texts and numbers stay as they are.
func canonical(value []byte) ([]byte, error) {
	v := jsontext.Value(bytes.Clone(value))
	if err := v.Canonicalize(); err != nil {
		return nil, err
	}
	if !bytes.Contains(v, []byte(`S":[`)) {
		return v, nil
	}
	return sortSets(v)
}

// sortSets orders the elements of every set in a canonical value.
func sortSets(v []byte) ([]byte, error) {
	in := jsontext.NewDecoder(bytes.NewReader(v))
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out)
	for {
		if kind, length := in.StackIndex(in.StackDepth()); kind == '{' && length%2 == 1 && in.PeekKind() == '[' {
			name := lastName(out.Bytes())
			if name == "SS" || name == "NS" || name == "BS" {
				set, err := in.ReadValue()
				if err != nil {
					return nil, err
				}
				if err := enc.WriteValue(sorted(set)); err != nil {
					return nil, err
				}
				continue
			}
		}
		token, err := in.ReadToken()
		if err != nil {
			break // the end: the value was valid
		}
		if err := enc.WriteToken(token); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// lastName is the member's name that was written last.
func lastName(written []byte) string {
	for _, name := range []string{"SS", "NS", "BS"} {
		if bytes.HasSuffix(bytes.TrimRight(written, ":"), []byte(`"`+name+`"`)) {
			return name
		}
	}
	return ""
}

// sorted orders the elements of a canonical array of strings.
func sorted(set jsontext.Value) jsontext.Value {
	in := jsontext.NewDecoder(bytes.NewReader(set))
	var elements []string
	for {
		token, err := in.ReadToken()
		if err != nil {
			break
		}
		if token.Kind() == '"' {
			quoted, err := jsontext.AppendQuote(nil, token.String())
			if err != nil {
				return set
			}
			elements = append(elements, string(quoted))
		}
	}
	slices.Sort(elements)
	b := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}
