package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// RestartOptions are the flags of restart.
type RestartOptions struct {
	EnableStream bool // turn the old table's stream on if it is off
	Force        bool // although no gap is recorded
	DryRun       bool // only check
	Logger       *slog.Logger
	Network      *assembly.Network // nil: the machine's own
}

// RestartReport is what restart found and did.
type RestartReport struct {
	Checks     []Check `json:"checks"`
	Generation uint32  `json:"generation"` // the current one, now; beside an error, that of the beginning
	Restarted  bool    `json:"restarted"`
	Shards     int     `json:"shards"` // open shards whose start is recorded now
}

// FormError says that a command does not fit the migration's live.from.
type FormError struct {
	Command string
	From    apply.LiveFrom
}

func (e *FormError) Error() string {
	return fmt.Sprintf("%s is for live.from: stream, whose changes can be lost; this migration has live.from: %s, and its changes are in Kafka or nowhere", e.Command, e.From)
}

// Restart begins a new generation: of a migration whose stream has lost something, or of any, with Force. As Create does,
// it checks everything first; then it makes the new generation's start of capture durable, and appends the control
// record, in this order. A crash in between leaves facts of a generation that never begins. Workers may be running: they
// end what they do for the generation before, and join the new one.
func Restart(ctx context.Context, c *migration.Config, o RestartOptions) (*RestartReport, error) {
	if from := apply.LiveFrom(c.Live.From); from != apply.FromStream {
		return nil, &FormError{Command: "restart", From: from}
	}
	p, err := assembly.OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return nil, err
	}
	r := &restart{Parts: p, options: o, report: &RestartReport{}, checks: preflight{Parts: p, enableStream: o.EnableStream}}
	report, err := r.run(ctx)
	return report, errors.Join(err, p.Close())
}

// restart is one run of restart.
type restart struct {
	*assembly.Parts
	options RestartOptions
	report  *RestartReport
	checks  preflight
	facts   *checkpoint.Facts
}

// run returns no report where there is no created migration.
func (r *restart) run(ctx context.Context) (*RestartReport, error) {
	state, err := r.Recorded(ctx)
	if err != nil {
		return nil, err
	}
	r.facts = r.Facts()
	if err := r.Patiently(ctx, r.facts.Refresh); err != nil {
		return nil, err
	}
	r.report.Generation = state.Generation()
	if r.check(ctx, state); refused(r.report.Checks) {
		return r.report, errChecks
	}
	if r.options.DryRun {
		return r.report, nil
	}
	return r.report, r.begin(ctx, state, r.report)
}

// check makes the checks: those that need the tables only if they are there to be asked.
func (r *restart) check(ctx context.Context, state checkpoint.State) {
	r.report.Checks = look(ctx, r.checks.tables())
	if !refused(r.report.Checks) {
		r.report.Checks = append(r.report.Checks, look(ctx, r.checks.ofRestart(state))...)
	}
	gap := check{what: "gap", look: func(context.Context) (string, error) { return r.checkGap(state) }}
	r.report.Checks = append(r.report.Checks, look(ctx, []check{gap})...)
}

// checkGap demands a reason: a restart reads and writes the whole table again.
func (r *restart) checkGap(state checkpoint.State) (string, error) {
	gaps := gapsOf(r.facts.Shards(state.Generation()))
	switch {
	case len(gaps) > 0:
		return strings.Join(gaps, "; "), nil
	case r.options.Force:
		return fmt.Sprintf("none is recorded for generation %d; a new one is begun all the same", state.Generation()), nil
	}
	return "", fmt.Errorf("none is recorded for generation %d: start a streamer, which finds one if there is one; "+
		"or begin a new generation all the same with --force: it reads and writes the whole table again", state.Generation())
}

// begin begins the new generation.
func (r *restart) begin(ctx context.Context, state checkpoint.State, report *RestartReport) error {
	generation, err := r.next(state.Generation())
	if err != nil {
		return err
	}
	if err := r.checks.turnOn(ctx); err != nil {
		return err
	}
	// Invariant 3: the start of capture is durable before the control record lets any worker scan.
	report.Shards, err = capture.Start(ctx, dynamodb.NewStream(r.Old, r.checks.old.Stream, r.checks.old.KeySchema), r.facts, generation)
	if err != nil {
		return err
	}
	entry := checkpoint.ControlEntry{Restarted: &checkpoint.Restarted{
		Generation: generation, Stream: r.checks.old.Stream, EstimatedItems: r.checks.old.Items,
	}}
	// If another restart is first, that is the answer too: it has made the same checks.
	now, err := tell(ctx, r.Parts, entry, func(now checkpoint.State) bool { return now.Generation() != state.Generation() })
	if err != nil {
		return err // what it read last, if anything, is not what is so
	}
	report.Generation, report.Restarted = now.Generation(), true
	return nil
}

// next is the lowest generation that no fact speaks of. Those of a restart that died before its control record came are
// left alone: their starts are from then, and what they name may have been trimmed since.
func (r *restart) next(current uint32) (uint32, error) {
	for g := current + 1; g <= events.MaxGeneration; g++ {
		if len(r.facts.Shards(g)) == 0 {
			return g, nil
		}
	}
	return 0, &fault.Error{Class: fault.Fatal, Reason: "generations", What: "there is no higher generation left"}
}
