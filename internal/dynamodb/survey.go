package dynamodb

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
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
	ctx context.Context, names newtable.Attributes, schema events.KeySchema, segments int,
	try func(context.Context, func(context.Context) error) error, enough func(Survey) bool,
) (Survey, error) {
	format := newtable.NewFormat(schema, names)
	s := &surveyor{table: t, format: format, try: try, enough: enough, extra: format.AppendProjection(nil)}
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
	format *newtable.Format
	try    func(context.Context, func(context.Context) error) error
	enough func(Survey) bool
	extra  []byte // of a scan

	mu    sync.Mutex
	found Survey
}

func (s *surveyor) segment(ctx context.Context, segment, total int) error {
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
		if ended, err := s.page(page); err != nil || ended {
			return err
		}
	}
	return nil
}

// page takes a page into what was found, and reports whether that is enough.
func (s *surveyor) page(page scanPage) (ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range page.items {
		if err := s.found.add(s.format, raw); err != nil {
			return false, fmt.Errorf("an item of table %s: %w", s.table.name, err)
		}
	}
	if page.last == nil || !s.enough(s.found) {
		return false, nil
	}
	s.found.Whole = false
	return true, nil
}

func (s *Survey) add(format *newtable.Format, raw []byte) error {
	item, err := format.Parse(raw)
	if err != nil {
		return err
	}
	key, err := item.Key()
	if err != nil {
		return err
	}
	s.Items++
	switch {
	case !item.Own():
		s.versioned(key, item)
	case item.Marker():
		s.Dead = first(s.Dead, key, item.DeletedHeld())
	default:
		s.Unversioned = first(s.Unversioned, key, nil)
	}
	return nil
}

func first(have Found, key events.Key, value []byte) Found {
	if have.Key != "" {
		return have
	}
	return Found{key, string(value)}
}

func (s *Survey) versioned(key events.Key, item newtable.Item) {
	version, err := item.Version()
	if err != nil || version == (events.Version{}) {
		s.Strange = first(s.Strange, key, item.Held())
		return
	}
	s.Generations[version.Generation]++
	if item.Marker() {
		s.Markers++
	}
	if version.Generation > s.Highest {
		s.Highest, s.Example = version.Generation, Found{key, version.String()}
	}
}
