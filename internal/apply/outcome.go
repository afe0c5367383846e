package apply

import "github.com/crossfadedb/crossfade/internal/checkpoint"

// Outcome is what became of a record. After each of them the record needs no further work.
type Outcome uint8

// The outcomes. The zero Outcome is none: there is no record, or nothing is known of it yet.
const (
	// A conditional write answered. The table holds this event, or something that must not give way to it.
	Applied   Outcome = iota + 1 // the table changed
	Stale                        // the stored version is newer
	Duplicate                    // the stored version is equal: a redelivery
	AppOwned                     // the stored item has no version: the application wrote it itself
	Present                      // an item is there, and the database did not say which of the three above it is

	// It was not written, and need not be.
	Superseded // a later change of its key was written in its place
	Dead       // it can never be applied, and is in the dlq

	// It was dropped: it must not be applied.
	PastClose // a snapshot record behind the close: a zombie's
	OldGen    // of an older generation: the new one covers all of it
)

var outcomeNames = [...]string{
	"none", Applied: "applied", Stale: "stale", Duplicate: "duplicate", AppOwned: "app-owned", Present: "present",
	Superseded: "superseded", Dead: "dead", PastClose: "past-close", OldGen: "old-generation",
}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[0]
}

// Counts counts the outcomes of a partition's records since its first one. Redelivered records are counted as often as
// they are applied; those that a crash left uncommitted are counted once.
type Counts = checkpoint.Counts

// count adds one record of this outcome.
func (o Outcome) count(c *Counts) {
	switch o {
	case Applied:
		c.Applied++
	case Stale:
		c.Stale++
	case Duplicate:
		c.Duplicate++
	case AppOwned:
		c.AppOwned++
	case Present:
		c.Present++
	case Superseded:
		c.Superseded++
	case Dead:
		c.Dead++
	case PastClose:
		c.PastClose++
	case OldGen:
		c.OldGen++
	case 0: // there was no record
	}
}
