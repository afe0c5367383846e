package apply

import (
	"errors"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// LiveFrom says where live changes come from.
type LiveFrom string

// The three forms.
const (
	FromStream LiveFrom = "stream" // capture publishes them, with versions
	FromApp    LiveFrom = "app"    // the application publishes its own events
	FromNone   LiveFrom = "none"   // there are none: the application writes the new table itself
)

// Rules is what decides about a record, beside the state of the migration.
type Rules struct {
	From LiveFrom
	// PositionHeader demands the header position on the application's events; else their offset is the position.
	PositionHeader bool
	SnapshotTopic  string
	LiveTopic      string
	LivePartitions int      // recorded at creation; an offset is only a position while it stays
	Rerun          uint16   // stamped on every version
	Reserved       []string // attribute names of ours that no item may use
}

// Decide turns a fetched record into the event to write. Instead it returns an Outcome if the record must be dropped, or
// an error: of type *events.Invalid if it can never be applied, of class Retry if the state is too old to tell.
func (r Rules) Decide(d *events.Decoder, record events.Record, state checkpoint.State) (events.Event, Outcome, error) {
	if dropped := r.pastClose(record, state); dropped != 0 && !ahead(record, state) {
		return events.Event{}, dropped, nil
	}
	e, err := d.Record(record)
	if err != nil {
		return events.Event{}, 0, err
	}
	if err := r.version(&e, record, state); err != nil {
		return events.Event{}, 0, err
	}
	switch current := state.Generation(); {
	case e.Version.Generation < current:
		return events.Event{}, OldGen, nil
	case e.Version.Generation > current:
		return events.Event{}, 0, &fault.Error{
			Class: fault.Retry, Reason: "state-behind",
			What: fmt.Sprintf("record %s@%d is of generation %d, and the control log as read so far knows %d",
				record.TopicPartition, record.Offset, e.Version.Generation, current),
		}
	}
	e.Version.Rerun = r.Rerun
	for _, name := range r.Reserved {
		if e.Item.Attribute(name) != nil {
			return events.Event{}, 0, &events.Invalid{
				Reason: events.Reserved,
				Detail: fmt.Sprintf("the item has an attribute %q, a name that Crossfade uses; choose another under attributes: in the configuration", name),
			}
		}
	}
	return e, 0, nil
}

// Overtaken is asked when a record is written: the close or a new generation may have come since it was decoded. It
// returns an Outcome if the record must be dropped.
func (r Rules) Overtaken(e events.Event, record events.Record, state checkpoint.State) Outcome {
	if e.Version.Generation < state.Generation() {
		return OldGen
	}
	return r.pastClose(record, state)
}

func (r Rules) pastClose(record events.Record, state checkpoint.State) Outcome {
	if record.Topic == r.SnapshotTopic && state.PastClose(record.Partition, record.Offset) {
		return PastClose
	}
	return 0
}

// ahead reports whether a record says that it is of a later generation than the one that is known here. The snapshot of a
// later generation lies past the close of this one, in the same topic, and is no zombie's.
func ahead(record events.Record, state checkpoint.State) bool {
	text, _ := record.Header(events.HeaderVersion)
	v, err := events.ParseVersion(text)
	return err == nil && v.Generation > state.Generation()
}

// version checks the version that a record carries, or gives the application's event its own: of the current generation,
// which may be above 1 from the start.
func (r Rules) version(e *events.Event, record events.Record, state checkpoint.State) error {
	has := e.Version != (events.Version{})
	switch {
	case record.Topic == r.SnapshotTopic:
		if !has || e.Version.Class != events.Snapshot || e.Op != events.Write {
			return &events.Invalid{Reason: events.Undecodable, Detail: "a snapshot record must be a write and carry a snapshot version"}
		}
		return nil
	case record.Topic == r.LiveTopic && r.From == FromStream:
		if !has || e.Version.Class != events.Live {
			return &events.Invalid{Reason: events.Undecodable, Detail: "a captured change must carry a live version"}
		}
		return nil
	case record.Topic == r.LiveTopic && r.From == FromApp:
		if has {
			return &events.Invalid{Reason: events.Undecodable, Detail: "the header version is not the application's to set"}
		}
		position, err := r.position(e, record)
		e.Version = events.Version{Generation: state.Generation(), Class: events.Live, Position: position}
		return err
	}
	return errors.New("no rule for topic " + record.Topic)
}

// position is where an application's event stands in the order of its key.
func (r Rules) position(e *events.Event, record events.Record) (events.Position, error) {
	if r.PositionHeader {
		if e.Position == "" {
			return "", &events.Invalid{Reason: events.Misplaced, Detail: "the header position is missing, and live.position says that events carry it"}
		}
		return e.Position, nil
	}
	// An offset orders the changes of a key only if all of them are in one partition: the one that every
	// client finds for the one text of the key.
	if want := events.PartitionOf([]byte(e.Key), r.LivePartitions); want != record.Partition || string(e.Key) != string(record.Key) {
		return "", &events.Invalid{
			Reason: events.Misplaced,
			Detail: fmt.Sprintf("its key is %s in canonical form and belongs to partition %d of %d by murmur2; it came with key %s in partition %d",
				e.Key, want, r.LivePartitions, record.Key, record.Partition),
		}
	}
	return events.PositionAt(uint64(record.Offset)), nil
}
