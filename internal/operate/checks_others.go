package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// otherPatience is how long the history of another migration is waited for, once. What does not come by then is unknown.
const otherPatience = 5 * time.Second

// otherMigration is another migration of the same cluster.
type otherMigration struct {
	name  string
	state checkpoint.State
}

// others reads the histories of the other migrations on the cluster. What looks like one and cannot be read is unknown.
func others(ctx context.Context, p *assembly.Parts) (found []otherMigration, unknown []string, err error) {
	names, err := assembly.Patiently(ctx, p, p.Kafka.Migrations)
	for _, name := range names {
		if name == p.Config.Name {
			continue // this one
		}
		state, err := history(ctx, p, name)
		if err != nil {
			p.Logger.Debug("the history of another migration cannot be read", "migration", name, "error", err)
			unknown = append(unknown, name)
			continue // it is named as unknown
		}
		if state.Created != nil {
			found = append(found, otherMigration{name, state})
		}
	}
	return found, unknown, err
}

func history(ctx context.Context, p *assembly.Parts, name string) (checkpoint.State, error) {
	ctx, cancel := context.WithTimeout(ctx, otherPatience)
	defer cancel()
	return p.ControlOf(name).Refresh(ctx)
}

// intoSame reports whether another migration was created for the new table of this one. Where both identities are known they
// decide; else the names do, and a table of the same name may be meant by both.
func (f *preflight) intoSame(o otherMigration) bool {
	if theirs := o.state.Created.Target; theirs != "" && f.new.ID != "" {
		return theirs == f.new.ID
	}
	ours := f.Config.Fingerprint()
	for _, field := range []string{"target.dynamodb.table", "target.dynamodb.region"} {
		if o.state.Created.Config[field] != ours[field] {
			return false
		}
	}
	return true
}

// checkOthers refuses a table that another migration of the same cluster writes, unless it is to be taken over and nobody
// works on the other one any more.
func (f *preflight) checkOthers(ctx context.Context) (string, error) {
	others, unknown, err := others(ctx, f.Parts)
	if err != nil {
		return "", err
	}
	var problems, over []string
	for _, other := range others {
		if !f.intoSame(other) {
			continue // it has a table of its own
		}
		if problem := f.overtake(ctx, other); problem != "" {
			problems = append(problems, problem)
			continue // it is named as a problem
		}
		f.highest = max(f.highest, other.state.Generation())
		over = append(over, other.name)
	}
	found := "none into this table, as far as this user may see"
	if len(over) > 0 {
		found = "taken over: " + strings.Join(over, ", ")
	}
	switch {
	case len(problems) > 0:
		return "", &fault.Error{Class: fault.Fatal, Reason: "other-migration", What: strings.Join(problems, "; ")}
	case len(unknown) > 0:
		return found, doubt("unknown of these, whose history cannot be read: " + strings.Join(unknown, ", "))
	}
	return found, nil
}

// checkAbove refuses a new generation of a migration when another one has begun above it in the same table: what a restart
// writes would not be the highest there.
func (f *preflight) checkAbove(ctx context.Context, state checkpoint.State) (string, error) {
	others, unknown, err := others(ctx, f.Parts)
	if err != nil {
		return "", err
	}
	for _, other := range others {
		// Where the identities are not known the names may mean two tables, and this migration was there first.
		known := other.state.Created.Target != "" && f.new.ID != ""
		if known && f.intoSame(other) && other.state.Generation() >= state.Generation() {
			return "", fmt.Errorf("the migration %q has begun generation %d in the same table; this one is over", other.name, other.state.Generation())
		}
	}
	if len(unknown) > 0 {
		return "none above this one", doubt("unknown of these, whose history cannot be read: " + strings.Join(unknown, ", "))
	}
	return "none above this one", nil
}

// overtake says why another migration into the same table forbids this one; empty if it does not.
func (f *preflight) overtake(ctx context.Context, other otherMigration) string {
	named := fmt.Sprintf("the migration %q is into the same table (%s, generation %d)", other.name, other.state.Phase(), other.state.Generation())
	if !f.takeOver {
		return named + "; choose another table, or, when that migration is over and its workers have ended for good, begin above it with --take-over, " +
			"which marks those of its rows as deleted that are not in this old table"
	}
	for _, group := range []string{other.name, other.name + ".snapshot", other.name + ".capture"} {
		members, err := f.Kafka.Members(ctx, group)
		switch {
		case err != nil:
			return fmt.Sprintf("%s, and whether its workers have ended is unknown: %v", named, err)
		case len(members) > 0:
			return fmt.Sprintf("%s, and %d of its workers are at work in the group %s; end them first", named, len(members), group)
		}
	}
	return ""
}
