package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// CreateOptions are the flags of create.
type CreateOptions struct {
	EnableStream bool // turn the old table's stream on if it is off
	DryRun       bool // only check
	KeepExisting bool // items of the new table without a version are the application's, and stay as they are
	TakeOver     bool // items of earlier migrations are in the new table: begin above all of their generations
	Logger       *slog.Logger
	Network      *assembly.Network // nil: the machine's own
}

// Check is one thing that create looked at before it changed anything.
type Check struct {
	What    string `json:"what"`
	Found   string `json:"found"`
	Warning string `json:"warning,omitempty"` // what is unknown, or a person should know; it forbids nothing
	Problem string `json:"problem,omitempty"` // empty when nothing forbids it
}

// CreateReport is what create found and did.
type CreateReport struct {
	Checks  []Check `json:"checks"`
	Existed bool    `json:"existed"` // created before; nothing was changed
	Created bool    `json:"created"`
	Shards  int     `json:"shards"` // open shards whose start is recorded now
	// Generation is what the migration begins with, or the current one if it existed; 0 when that is not known.
	Generation uint32 `json:"generation,omitempty"`
}

// Refused reports whether a check found a problem.
func (r *CreateReport) Refused() bool {
	for _, c := range r.Checks {
		if c.Problem != "" {
			return true
		}
	}
	return false
}

// Create checks everything first, all of it, and changes nothing unless all is well. Then it turns the stream on, creates the topics,
// makes the start of capture durable, and appends the control record, in this order. A crash in between leaves a
// migration that is not created; Create goes on from there. Of a created one it changes nothing.
func Create(ctx context.Context, c *migration.Config, o CreateOptions) (*CreateReport, error) {
	p, err := assembly.OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return nil, err
	}
	report, err := (&creation{Parts: p, options: o, report: &CreateReport{}}).run(ctx)
	return report, errors.Join(err, p.Close())
}

// creation is one run of create.
type creation struct {
	*assembly.Parts
	options CreateOptions
	report  *CreateReport
	old     dynamodb.Description
	new     dynamodb.Description
	highest uint32            // generation of earlier migrations in the new table; 0 when there is none
	singly  bool              // the new table's server knows no PartiQL
	topics  map[string]string // the id of each, by its name; once they are made
}

// errChecks says that the report names a problem.
var errChecks = &fault.Error{Class: fault.Fatal, Reason: "checks", What: "the checks found problems; nothing was changed"}

func (c *creation) run(ctx context.Context) (*CreateReport, error) {
	if !c.checkTables(ctx) {
		return c.report, errChecks
	}
	state, err := stateOf(ctx, c.Parts)
	if err != nil {
		return c.report, err
	}
	if state.Created != nil {
		// What is in the tables by now is the migration's own, and the application's.
		c.report.Existed, c.report.Generation = true, state.Generation()
		if err := c.SameConfig(state); err != nil {
			return c.report, err
		}
		if c.checkTopics(ctx); c.report.Refused() {
			return c.report, errChecks
		}
		return c.report, nil
	}
	c.check(ctx)
	if c.report.Refused() {
		return c.report, errChecks
	}
	c.report.Generation = c.generation()
	if c.options.DryRun {
		return c.report, nil
	}
	return c.report, c.create(ctx)
}

func (c *creation) create(ctx context.Context) error {
	// The checks may have taken hours; of a migration that was created meanwhile nothing is changed.
	if state, err := stateOf(ctx, c.Parts); err != nil || state.Created != nil {
		c.report.Existed = state.Created != nil
		return err
	}
	if err := c.enableStream(ctx); err != nil {
		return err
	}
	topics, err := c.Kafka.CreateTopics(ctx, c.TopicSpec())
	if err != nil {
		return err
	}
	c.topics = topics
	// Invariant 3: the start of capture is durable before the control record lets any worker scan.
	if c.From() == "stream" {
		facts := c.Facts()
		if err := c.Patiently(ctx, facts.Refresh); err != nil {
			return err
		}
		started, err := capture.Start(ctx, dynamodb.NewStream(c.Old, c.old.Stream, c.old.KeySchema), facts, c.generation())
		if err != nil {
			return err
		}
		c.report.Shards = started
	}
	return c.append(ctx, c.Control())
}

// stateOf reads the control log; the zero State when there is none.
func stateOf(ctx context.Context, p *assembly.Parts) (checkpoint.State, error) {
	return assembly.Patiently(ctx, p, p.State)
}

// append appends the control record, unless there is one.
func (c *creation) append(ctx context.Context, control *checkpoint.Control) error {
	return c.Patiently(ctx, func(ctx context.Context) error {
		_, wrote, err := control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if state.Created != nil {
				return nil, nil // another create was first: it has passed the same checks
			}
			return &checkpoint.ControlEntry{Created: c.record()}, nil
		})
		if err == nil {
			c.report.Created, c.report.Existed = wrote, !wrote
		}
		return err
	})
}

func (c *creation) enableStream(ctx context.Context) (err error) {
	if c.options.EnableStream && c.From() == "stream" && c.old.Stream == "" {
		c.old.Stream, err = c.Old.EnableStream(ctx)
	}
	return err
}

func (c *creation) record() *checkpoint.Created {
	return &checkpoint.Created{
		Generation: c.generation(), Config: c.Config.Fingerprint(), KeySchema: c.old.KeySchema, Stream: c.old.Stream,
		Partitions: c.Config.Kafka.Partitions, WorkPartitions: c.Config.Kafka.WorkPartitions,
		Segments: c.Config.Snapshot.Segments, EstimatedItems: c.old.Items, KeepExisting: c.options.KeepExisting,
		Target: c.new.ID, Singly: c.singly, Topics: c.topics,
	}
}

// checkTables looks at Kafka and at both tables, and reports whether they are there to be asked for more.
func (c *creation) checkTables(ctx context.Context) bool {
	c.note("Kafka", func() (string, error) { return c.Kafka.Check(ctx, c.Config.Kafka.Replication) })
	c.note("old table", func() (found string, err error) {
		c.old, err = c.Old.Describe(ctx)
		return fmt.Sprintf("%s, key %s, about %d items", c.Config.Source.DynamoDB.Table, c.old.KeySchema, c.old.Items), err
	})
	c.note("new table", func() (found string, err error) {
		c.new, err = c.New.Describe(ctx)
		return fmt.Sprintf("%s, key %s, about %d items", c.Config.Target.DynamoDB.Table, c.new.KeySchema, c.new.Items), err
	})
	return !c.report.Refused()
}

// check looks at everything and notes what is wrong; one problem hides no other.
func (c *creation) check(ctx context.Context) {
	c.note("grace", c.checkGrace)
	c.note("other migrations", func() (string, error) { return c.checkOthers(ctx) })
	c.checkTopics(ctx)
	c.note("key schemas", c.checkKeys)
	c.note("read permission", func() (string, error) { return "scan of the old table answered", c.Old.CheckRead(ctx) })
	c.note("write permission", func() (string, error) {
		return "conditional write to the new table answered", c.New.CheckWrite(ctx, c.new.KeySchema)
	})
	c.note("insert permission", func() (string, error) { return c.checkInsert(ctx) })
	c.note("remove permission", func() (string, error) { return c.checkRemove(ctx) })
	c.note("time to live of the new table", func() (string, error) { return c.checkTimeToLive(ctx) })
	c.note("items of the new table", func() (string, error) { return c.checkItems(ctx) })
	if c.From() == "stream" || c.options.TakeOver {
		c.note("lookup permission", func() (string, error) { return c.checkLookup(ctx) })
	}
	if c.From() == "stream" {
		c.notesOfStream(ctx)
	}
}

func (c *creation) notesOfStream(ctx context.Context) {
	c.note("stream", func() (string, error) { return c.checkStream(ctx) })
	if c.old.Stream == "" && c.options.EnableStream {
		c.note("permission to turn the stream on", func() (string, error) { return c.checkUpdate(ctx) })
	}
}

func (c *creation) note(what string, look func() (string, error)) {
	found, err := look()
	check := Check{What: what, Found: found}
	if doubt, is := errors.AsType[doubt](err); is {
		check.Warning = string(doubt)
	} else if err != nil {
		check.Found, check.Problem = "", strings.ReplaceAll(err.Error(), "\n", "; ") // several of one thing
	}
	c.report.Checks = append(c.report.Checks, check)
}

func (c *creation) checkKeys() (string, error) {
	if !c.old.KeySchema.Equal(c.new.KeySchema) {
		return "", fmt.Errorf("the old table's key is %s, the new one's is %s; they must be the same", c.old.KeySchema, c.new.KeySchema)
	}
	for _, name := range c.Reserved() {
		for _, key := range c.old.KeySchema {
			if key.Name == name {
				return "", fmt.Errorf("the key attribute %q has a name that Crossfade uses; choose another under attributes: in the configuration", name)
			}
		}
	}
	return "the same", nil
}

func (c *creation) checkStream(ctx context.Context) (string, error) {
	switch {
	case c.old.Stream == "" && c.options.EnableStream:
		return c.checkStreamToCome(ctx)
	case c.old.Stream == "":
		return "", errors.New("the old table has no stream; turn it on with new images, or use --enable-stream")
	case !c.old.NewImages:
		return "", fmt.Errorf("the stream has no new images (view type %s); disable it and use --enable-stream", c.old.StreamView)
	}
	stream := dynamodb.NewStream(c.Old, c.old.Stream, c.old.KeySchema)
	shards, err := stream.Shards(ctx)
	if err != nil {
		return "", err
	}
	return checkStreamRead(ctx, stream, len(shards))
}
