package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// Comparison is what reading both tables whole showed.
type Comparison struct {
	Compared  int      `json:"rows_compared"`      // rows of the old table
	Missing   int      `json:"missing"`            // in the old table only
	Different int      `json:"different"`          // in both, and not the same
	Extra     int      `json:"extra"`              // in the new table only, and the application never deleted it
	Back      int      `json:"back_from_the_dead"` // in the new table only, and the application had deleted it
	Markers   int      `json:"markers_left"`       // in the new table
	Examples  []string `json:"examples,omitempty"` // the first ten of each of the above, in words
}

// OK reports that the tables are equal and nothing is left behind.
func (c Comparison) OK() bool {
	return c.Missing+c.Different+c.Extra+c.Back+c.Markers == 0
}

const (
	maxExamples = 10  // so many differences of a kind are described
	maxExample  = 400 // in so many bytes each
)

// found counts one more of a kind and describes it.
func (c *Comparison) found(count *int, format string, args ...any) {
	if *count++; *count <= maxExamples {
		text := fmt.Sprintf(format, args...)
		if len(text) > maxExample {
			text = strings.ToValidUTF8(text[:maxExample], "") + " …"
		}
		c.Examples = append(c.Examples, text)
	}
}

// Reader is a table that can be read whole.
type Reader interface {
	Name() string
	// Items reads consistently, and calls visit for each item, by one goroutine a segment. visit may keep the bytes.
	Items(ctx context.Context, segments int, visit func(item []byte) error) error
}

var _ Reader = (*dynamodb.Table)(nil)

// readSegments is how many segments of a table are read at the same time.
const readSegments = 8

// Compare reads both tables whole, which nobody changes meanwhile, and holds them against each other: every
// attribute's bytes, with members of objects and elements of sets in one order, since servers return them in any.
// Attributes of ours are left out on the new side. deleted says which keys the application has deleted. Memory: about
// 150 bytes and the key for each row.
func Compare(ctx context.Context, old, new Reader, schema events.KeySchema, names newtable.Attributes, deleted func(key string) bool) (Comparison, error) {
	var mu sync.Mutex
	want := map[events.Key]digest{}
	oldRows, newRows := &digester{schema: schema}, &digester{schema: schema, ours: names}
	err := old.Items(ctx, readSegments, func(raw []byte) error {
		row, err := oldRows.row(raw)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		want[row.key] = row.digest
		return nil
	})
	if err != nil {
		return Comparison{}, fmt.Errorf("read table %s: %w", old.Name(), err)
	}
	c := Comparison{Compared: len(want)}
	err = new.Items(ctx, readSegments, func(raw []byte) error {
		row, err := newRows.row(raw)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		c.meet(row, raw, want, deleted)
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("read table %s: %w", new.Name(), err)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		c.found(&c.Missing, "missing: %s", key)
	}
	slices.Sort(c.Examples) // by kind
	return c, nil
}

// meet counts a row of the new table, and takes what it stands for out of want.
func (c *Comparison) meet(row row, raw []byte, want map[events.Key]digest, deleted func(string) bool) {
	expected, known := want[row.key]
	switch {
	case row.marker:
		c.found(&c.Markers, "marker left: %s", raw)
		return // no row: if the old table has one, it is missing
	case !known && deleted(string(row.key)):
		c.found(&c.Back, "back from the dead: %s", row.key)
	case !known:
		c.found(&c.Extra, "extra: %s", row.key)
	case expected != row.digest:
		c.found(&c.Different, "different: %s is %s", row.key, raw)
	}
	delete(want, row.key)
}

// digest stands for an item: 128 bits of a SHA-256 are more than enough for tables of any size.
type digest [16]byte

// row is an item as the comparison sees it.
type row struct {
	key    events.Key
	digest digest // of all attributes that are not ours
	marker bool
}

// digester turns items into rows. Safe for concurrent use.
type digester struct {
	schema   events.KeySchema
	ours     newtable.Attributes // zero on the old side, where all attributes are the application's
	decoders sync.Pool
}

func (d *digester) row(raw []byte) (r row, err error) {
	decoder, ok := d.decoders.Get().(*events.Decoder)
	if !ok {
		decoder = events.NewDecoder(d.schema)
	}
	defer d.decoders.Put(decoder)
	item, err := decoder.Item(raw)
	if err != nil {
		return r, err
	}
	if r.key, err = d.schema.Key(item); err != nil {
		return r, err
	}
	slices.SortFunc(item.Attributes, func(a, b events.Attribute) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	text := make([]byte, 0, 2*len(raw))
	for _, a := range item.Attributes {
		if d.ours.Has(a.Name) {
			r.marker = r.marker || a.Name == d.ours.Deleted
			continue // ours
		}
		text = fmt.Appendf(text, "%q:", a.Name)
		if text, err = appendCanonical(text, a.Value); err != nil {
			return r, fmt.Errorf("attribute %s of %s: %w", a.Name, r.key, err)
		}
	}
	sum := sha256.Sum256(text)
	copy(r.digest[:], sum[:])
	return r, nil
}
