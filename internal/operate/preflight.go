package operate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// Check is one thing that a command looked at before it changed anything.
type Check struct {
	What    string `json:"what"`
	Found   string `json:"found"`
	Warning string `json:"warning,omitempty"` // what is unknown, or a person should know; it forbids nothing
	Problem string `json:"problem,omitempty"` // empty when nothing forbids it
}

// refused reports whether a check found a problem.
func refused(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.Problem != "" })
}

// errChecks says that the report names a problem.
var errChecks = &fault.Error{Class: fault.Fatal, Reason: "checks", What: "the checks found problems; nothing was changed"}

// check is one thing to look at. It changes nothing.
type check struct {
	what string
	// look returns what there is. A doubt is shown as a warning; any other error is a problem.
	look func(ctx context.Context) (found string, err error)
	when func() bool // asked when it is the check's turn; nil: always
}

// doubt is what a check could not find out, or a person should know: it forbids nothing, and is shown as a warning.
type doubt string

func (d doubt) Error() string { return string(d) }

// look makes the checks, one after the other. One problem hides no other.
func look(ctx context.Context, checks []check) (all []Check) {
	for _, c := range checks {
		if c.when == nil || c.when() {
			all = append(all, c.note(c.look(ctx)))
		}
	}
	return all
}

// note is what a look has found, as it is shown.
func (c check) note(found string, err error) Check {
	note := Check{What: c.what, Found: found}
	if doubt, is := errors.AsType[doubt](err); is {
		note.Warning = string(doubt)
	} else if err != nil {
		note.Found, note.Problem = "", strings.ReplaceAll(err.Error(), "\n", "; ") // several of one thing
	}
	return note
}

// preflight is what is looked at before a migration is created, or a new generation begun, and what that has found. Which
// checks there are, and in which order, is in this file; what each of them does is in the files checks_*.go.
type preflight struct {
	*assembly.Parts
	enableStream bool // as in CreateOptions, and so are these
	keepExisting bool
	takeOver     bool

	// The checks fill these in: tables the first two, for all that follow.
	old     dynamodb.Description
	new     dynamodb.Description
	highest uint32                 // generation of earlier migrations in the new table; 0 when there is none
	singly  bool                   // the new table's server knows no PartiQL
	state   checkpoint.State       // of this migration
	topics  map[string]kafka.Topic // those that are there
}

// tables are the checks that all others need: Kafka and both tables are there to be asked for more.
func (f *preflight) tables() []check {
	return []check{
		{what: "Kafka", look: func(ctx context.Context) (string, error) { return f.Kafka.Check(ctx, f.Config.Kafka.Replication) }},
		{what: "old table", look: f.checkOld},
		{what: "new table", look: f.checkNew},
	}
}

// ofCreate are the checks before a migration is created, once both tables are known.
func (f *preflight) ofCreate() []check {
	all := []check{
		{what: "grace", look: f.checkGrace},
		{what: "other migrations", look: f.checkOthers},
	}
	all = append(all, f.ofTopics()...)
	all = append(all,
		check{what: "key schemas", look: f.checkKeys},
		check{what: "read permission", look: f.checkRead},
		check{what: "write permission", look: f.checkWrite},
		check{what: "insert permission", look: f.checkInsert},
		check{what: "remove permission", look: f.checkRemove},
		check{what: "time to live of the new table", look: f.checkTimeToLive},
		check{what: "items of the new table", look: f.checkItems},
	)
	if f.From() == apply.FromStream || f.takeOver {
		all = append(all, check{what: "lookup permission", look: f.checkLookup})
	}
	if f.From() == apply.FromStream {
		all = append(all, f.ofStream()...)
	}
	return all
}

// ofTopics are the checks of this migration's topics, those that are there and those that are to be made.
func (f *preflight) ofTopics() []check {
	return []check{
		{what: "topics", look: f.checkTopics},
		{what: "topic settings", look: f.checkSettings},
		{what: "leftovers", look: f.checkLeftovers, when: func() bool { return f.state.Created == nil }},
	}
}

// ofStream are the checks of the old table's stream.
func (f *preflight) ofStream() []check {
	all := []check{{what: "stream", look: f.checkStream}}
	if f.old.Stream == "" && f.enableStream {
		all = append(all, check{what: "permission to turn the stream on", look: f.checkUpdate})
	}
	return all
}

// ofRestart are the checks before a new generation of a created migration, once both tables are known.
func (f *preflight) ofRestart(state checkpoint.State) []check {
	all := []check{
		{what: "key schemas", look: func(ctx context.Context) (string, error) { return f.checkKeysAgain(ctx, state.Created.KeySchema) }},
		{what: "read permission", look: f.checkRead},
		{what: "lookup permission", look: f.checkLookupNow},
		{what: "search permission", look: f.checkSearch},
		{what: "write permission", look: f.checkWrite},
		{what: "other migrations", look: func(ctx context.Context) (string, error) { return f.checkAbove(ctx, state) }},
		{what: "time to live of the new table", look: f.checkTimeToLive},
	}
	return append(all, f.ofStream()...)
}
