package dynamodb

import (
	"context"
	"errors"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// touchedSegments is how many segments of the new table are searched at the same time.
const touchedSegments = 16

// errFound ends the walk.
var errFound = errors.New("found")

// FindTouched looks for an item that shows that the application has written this table: a marker with attributes of the application,
// and, if unversioned is set, an item without a version. That none is found says nothing: an update of a row and a removal leave no
// trace. It may read the whole table. Retries are made inside.
func (t *Table) FindTouched(ctx context.Context, names newtable.Attributes, schema events.KeySchema, unversioned bool) (key events.Key, found bool, err error) {
	return t.findTouched(ctx, names, schema, unversioned, touchedSegments)
}

func (t *Table) findTouched(ctx context.Context, names newtable.Attributes, schema events.KeySchema, unversioned bool, segments int) (key events.Key, found bool, err error) {
	format := newtable.NewFormat(schema, names)
	condition := format.Deleted()
	if unversioned {
		condition = format.DeletedOrOwn()
	}
	filter := condition.Append(nil, newtable.FilterExpression)
	keys := make(chan events.Key, segments) // each finds one at the most
	err = t.walk(segments, filter, func(raw []byte) error {
		key, touched, err := touched(format, raw, unversioned)
		if err != nil || !touched {
			return err
		}
		keys <- key
		return errFound
	}).Run(ctx, walk.All(segments))
	if err != nil && !errors.Is(err, errFound) {
		return "", false, err
	}
	select {
	case key := <-keys:
		return key, true, nil
	default:
		return "", false, nil
	}
}

// touched reports whether an item shows that the application has written it.
func touched(format *newtable.Format, raw []byte, unversioned bool) (key events.Key, touched bool, err error) {
	item, err := format.Parse(raw)
	if err != nil {
		return "", false, err
	}
	if key, err = item.Key(); err != nil {
		return "", false, err
	}
	return key, unversioned && item.Own() || item.DeletedHeld() != nil && item.Foreign(), nil
}
