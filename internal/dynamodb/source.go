package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

var _ snapshot.Source = (*Source)(nil)

// Source is the old table as the snapshot reads it.
type Source struct {
	table    *Table
	schema   events.KeySchema
	decoders sync.Pool
}

// NewSource returns the source of a table with this key schema.
func NewSource(t *Table, schema events.KeySchema) *Source {
	return &Source{table: t, schema: schema, decoders: decoders(schema)}
}

// decoders is a pool of decoders, which are for one goroutine at a time.
func decoders(schema events.KeySchema) sync.Pool {
	return sync.Pool{New: func() any { return newDecoder(schema) }}
}

// Scan implements snapshot.Source.
func (s *Source) Scan(ctx context.Context, segment, total int, after []byte) (page snapshot.Page, err error) {
	decoder := s.decoders.Get().(*decoder)
	defer s.decoders.Put(decoder)
	err = s.table.scanned(ctx, scanRequest{segment: segment, total: total, after: after}, func(answer []byte) error {
		var ok bool
		if page, ok = quickScan(decoder, answer); !ok {
			page, err = s.cut(decoder, answer)
		}
		return err
	})
	return page, err
}

// cut cuts any answer.
func (s *Source) cut(decoder *decoder, answer []byte) (snapshot.Page, error) {
	scanned, err := cutScan(answer)
	if err != nil {
		return snapshot.Page{}, err
	}
	page := snapshot.Page{Rows: make([]snapshot.Row, 0, len(scanned.items)), Last: scanned.last, Units: scanned.units}
	for _, raw := range scanned.items {
		key, err := keyOf(decoder, s.schema, raw)
		if bad, ok := errors.AsType[*events.Invalid](err); ok {
			page.Bad = append(page.Bad, snapshot.BadRow{Item: raw, Err: bad})
		} else if err != nil {
			return snapshot.Page{}, fmt.Errorf("key of an item of %s: %w", s.table.name, err)
		} else {
			page.Rows = append(page.Rows, snapshot.Row{Key: key, Item: raw})
		}
	}
	return page, nil
}

var _ snapshot.Lookup = (*Source)(nil).Lookup

// Lookup implements snapshot.Lookup.
func (s *Source) Lookup(ctx context.Context, key events.Key) (found bool, units float64, err error) {
	return s.table.lookup(ctx, key, s.schema[0].Name)
}

// lookup asks, consistently, for nothing but one key attribute of an item.
func (t *Table) lookup(ctx context.Context, key events.Key, attribute string) (found bool, units float64, err error) {
	body := append(t.begin("Key"), key...)
	body = append(body, `,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL","ProjectionExpression":"#k","ExpressionAttributeNames":{"#k":`...)
	body = append(quote(body, attribute), `}}`...)
	what := fmt.Sprintf("look %s up in %s", key, t.name)
	answer, err := t.wire.call(ctx, "DynamoDB_20120810.GetItem", body)
	if err != nil {
		return false, 0, notRecord(classify(err, what))
	}
	c := newCutter(answer)
	err = c.object(func(name string) error {
		found = found || name == "Item"
		return c.skip()
	})
	return found, consumed(answer), classify(err, what)
}

func keyOf(d *decoder, schema events.KeySchema, raw []byte) (events.Key, error) {
	item, err := d.Item(raw)
	if err != nil {
		return "", err
	}
	return schema.Key(item)
}
