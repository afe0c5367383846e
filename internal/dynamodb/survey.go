package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/newtable"
	"github.com/crossfadedb/crossfade/internal/walk"
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

// errEnough ends the walk before the table does.
var errEnough = errors.New("enough")

// Surveying is how a survey is made. Enough is required.
type Surveying struct {
	Segments int           // side by side; 0 is 1
	Patience time.Duration // for a page that does not answer; see walk.Walk
	Notify   fault.Notify  // of what is tried again; may be nil
	// Enough is asked after each page but the last of a segment, and may end the survey before the table does; the Survey is
	// not Whole then. One call at a time.
	Enough func(Survey) bool
}

// Survey reads the whole table consistently, and says what is in it.
func (t *Table) Survey(ctx context.Context, names newtable.Attributes, schema events.KeySchema, how Surveying) (Survey, error) {
	var mu sync.Mutex
	found := Survey{Generations: map[uint32]int64{}, Whole: true}
	format := newtable.NewFormat(schema, names)
	w := t.walk(cmp.Or(how.Segments, 1), format.AppendProjection(nil), nil)
	w.Patience, w.Notify = how.Patience, how.Notify
	w.Visit = func(_ context.Context, to walk.Place, page scanPage) error {
		mu.Lock()
		defer mu.Unlock()
		for _, raw := range page.items {
			if err := found.add(format, raw); err != nil {
				return fmt.Errorf("an item of table %s: %w", t.name, err)
			}
		}
		if to.Done || !how.Enough(found) {
			return nil
		}
		found.Whole = false
		return errEnough
	}
	err := w.Run(ctx, walk.All(w.AtOnce))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
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
