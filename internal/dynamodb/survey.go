package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Survey is what the new table holds before a migration begins, by what our attributes say of each item.
type Survey struct {
	Items       int64            // read so far, of all kinds
	Whole       bool             // the whole table was read
	Generations map[uint32]int64 // items with a version, markers among them, by its generation
	Markers     int64            // those of them that are markers
	Highest     uint32           // generation; 0 when no item has a version
	Example     Found            // of an item with a version: one of the highest generation
	Unversioned Found            // an item without any attribute of ours
	Dead        Found            // a marker without a version, as the form none has them
	Strange     Found            // an item whose version attribute holds something that is no version
}

// Found is an item that was found, if its key is not empty.
type Found struct {
	Key   events.Key
	Value string // of the attribute that was looked at, as DynamoDB JSON
}

// Survey reads the whole table consistently, so many segments side by side, and says what is in it. Each page is read inside
// try, which owns the retries. After each page but the last, enough may end it before the table does, and the Survey is not
// Whole then; it is called by one goroutine at a time.
func (t *Table) Survey(
	ctx context.Context, names Attributes, schema events.KeySchema, segments int,
	try func(context.Context, func(context.Context) error) error, enough func(Survey) bool,
) (Survey, error) {
	s := &surveyor{table: t, names: names, schema: schema, try: try, enough: enough, extra: projection(schema, names)}
	s.found.Generations, s.found.Whole = map[uint32]int64{}, true
	group, ctx := errgroup.WithContext(ctx)
	for segment := range segments {
		group.Go(func() error { return s.segment(ctx, segment, segments) })
	}
	err := group.Wait()
	return s.found, err
}

// surveyor is one survey under way.
type surveyor struct {
	table  *Table
	names  Attributes
	schema events.KeySchema
	try    func(context.Context, func(context.Context) error) error
	enough func(Survey) bool
	extra  []byte // of a scan

	mu    sync.Mutex
	found Survey
}

func (s *surveyor) segment(ctx context.Context, segment, total int) error {
	decoder := events.NewDecoder(s.schema)
	for after, first := []byte(nil), true; first || after != nil; first = false {
		var page scanPage
		err := s.try(ctx, func(ctx context.Context) (err error) {
			page, err = s.table.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: s.extra})
			return err
		})
		if err != nil {
			return err
		}
		after = page.last
		if ended, err := s.page(decoder, page); err != nil || ended {
			return err
		}
	}
	return nil
}

// page takes a page into what was found, and reports whether that is enough.
func (s *surveyor) page(decoder *events.Decoder, page scanPage) (ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range page.items {
		if err := s.found.add(decoder, s.schema, s.names, raw); err != nil {
			return false, fmt.Errorf("an item of table %s: %w", s.table.name, err)
		}
	}
	if page.last == nil || !s.enough(s.found) {
		return false, nil
	}
	s.found.Whole = false
	return true, nil
}

// projection asks for nothing but the key and the attributes of ours that are looked at.
func projection(schema events.KeySchema, names Attributes) []byte {
	attributes := []string{names.Version, names.Deleted}
	for _, k := range schema {
		attributes = append(attributes, k.Name)
	}
	expression, aliases := []byte(`,"ProjectionExpression":"`), []byte(`","ExpressionAttributeNames":{`)
	for i, name := range attributes {
		if i > 0 {
			expression, aliases = append(expression, ','), append(aliases, ',')
		}
		expression = fmt.Appendf(expression, "#a%d", i)
		aliases = quote(fmt.Appendf(aliases, `"#a%d":`, i), name)
	}
	return append(append(expression, aliases...), '}')
}

func (s *Survey) add(decoder *events.Decoder, schema events.KeySchema, names Attributes, raw []byte) error {
	item, err := decoder.Item(raw)
	if err != nil {
		return err
	}
	key, err := schema.Key(item)
	if err != nil {
		return err
	}
	s.Items++
	held, marker := item.Attribute(names.Version), names.deleted(item) != ""
	switch {
	case held != nil:
		s.versioned(key, held, marker)
	case marker:
		s.Dead = first(s.Dead, key, item.Attribute(names.Deleted))
	default:
		s.Unversioned = first(s.Unversioned, key, nil)
	}
	return nil
}

func first(have Found, key events.Key, value json.RawMessage) Found {
	if have.Key != "" {
		return have
	}
	return Found{key, string(value)}
}

func (s *Survey) versioned(key events.Key, held json.RawMessage, marker bool) {
	version, err := events.ParseVersion(typedText(held, "S"))
	if err != nil {
		s.Strange = first(s.Strange, key, held)
		return
	}
	s.Generations[version.Generation]++
	if marker {
		s.Markers++
	}
	if version.Generation > s.Highest {
		s.Highest, s.Example = version.Generation, Found{key, version.String()}
	}
}
