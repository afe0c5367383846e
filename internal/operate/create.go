package operate

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
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
func (r *CreateReport) Refused() bool { return refused(r.Checks) }

// Create checks everything first, all of it, and changes nothing unless all is well. Then it turns the stream on, creates the topics,
// makes the start of capture durable, and appends the control record, in this order. A crash in between leaves a
// migration that is not created; Create goes on from there. Of a created one it changes nothing.
func Create(ctx context.Context, c *migration.Config, o CreateOptions) (*CreateReport, error) {
	p, err := assembly.OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return nil, err
	}
	one := &creation{Parts: p, options: o, report: &CreateReport{}, checks: preflight{
		Parts: p, enableStream: o.EnableStream, keepExisting: o.KeepExisting, takeOver: o.TakeOver,
	}}
	err = one.run(ctx)
	return one.report, errors.Join(err, p.Close())
}

// creation is one run of create.
type creation struct {
	*assembly.Parts
	options CreateOptions
	report  *CreateReport
	checks  preflight
	topics  map[string]string // the id of each, by its name; once they are made
}

func (c *creation) run(ctx context.Context) error {
	if !c.look(ctx, c.checks.tables()) {
		return errChecks
	}
	state, err := stateOf(ctx, c.Parts)
	if err != nil {
		return err
	}
	if state.Created != nil {
		return c.existing(ctx, state)
	}
	if !c.look(ctx, c.checks.ofCreate()) {
		return errChecks
	}
	c.report.Generation = c.checks.generation()
	if c.options.DryRun {
		return nil
	}
	return c.create(ctx)
}

// look makes these checks, and reports whether nothing forbids to go on.
func (c *creation) look(ctx context.Context, checks []check) bool {
	c.report.Checks = append(c.report.Checks, look(ctx, checks)...)
	return !c.report.Refused()
}

// existing is create for a migration that has been created. What is in the tables by now is the migration's own, and the
// application's.
func (c *creation) existing(ctx context.Context, state checkpoint.State) error {
	c.report.Existed, c.report.Generation = true, state.Generation()
	if err := c.SameConfig(state); err != nil {
		return err
	}
	if !c.look(ctx, c.checks.ofTopics()) {
		return errChecks
	}
	return nil
}

// create makes the migration, in the order of Create.
func (c *creation) create(ctx context.Context) error {
	// The checks may have taken hours; of a migration that was created meanwhile nothing is changed.
	if state, err := stateOf(ctx, c.Parts); err != nil || state.Created != nil {
		c.report.Existed = state.Created != nil
		return err
	}
	if err := c.checks.turnOn(ctx); err != nil {
		return err
	}
	topics, err := c.Kafka.CreateTopics(ctx, c.TopicSpec())
	if err != nil {
		return err
	}
	c.topics = topics
	// Invariant 3: the start of capture is durable before the control record lets any worker scan.
	if c.From() == apply.FromStream {
		if err := c.startCapture(ctx); err != nil {
			return err
		}
	}
	return c.append(ctx, c.Control())
}

// startCapture makes it durable from where each shard of the stream is captured.
func (c *creation) startCapture(ctx context.Context) error {
	facts := c.Facts()
	if err := c.Patiently(ctx, facts.Refresh); err != nil {
		return err
	}
	stream := dynamodb.NewStream(c.Old, c.checks.old.Stream, c.checks.old.KeySchema)
	started, err := capture.Start(ctx, stream, facts, c.checks.generation())
	if err != nil {
		return err
	}
	c.report.Shards = started
	return nil
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

func (c *creation) record() *checkpoint.Created {
	return &checkpoint.Created{
		Generation: c.checks.generation(), Config: c.Config.Fingerprint(), KeySchema: c.checks.old.KeySchema, Stream: c.checks.old.Stream,
		Partitions: c.Config.Kafka.Partitions, WorkPartitions: c.Config.Kafka.WorkPartitions,
		Segments: c.Config.Snapshot.Segments, EstimatedItems: c.checks.old.Items, KeepExisting: c.options.KeepExisting,
		Target: c.checks.new.ID, Singly: c.checks.singly, Topics: c.topics,
	}
}

// stateOf reads the control log; the zero State when there is none.
func stateOf(ctx context.Context, p *assembly.Parts) (checkpoint.State, error) {
	return assembly.Patiently(ctx, p, p.State)
}
