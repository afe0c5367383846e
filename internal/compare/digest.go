package compare

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

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
