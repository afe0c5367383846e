package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

// fewBrokersGrace is the grace below which the death of a broker may end workers.
const fewBrokersGrace = time.Minute

// checkGrace warns of a grace that what happens to a cluster outlasts.
func (f *preflight) checkGrace(context.Context) (string, error) {
	found := f.Config.Grace.String()
	if f.Config.Kafka.Embedded.Dir == "" && f.Config.Grace < fewBrokersGrace {
		return found, doubt(fmt.Sprintf("a worker that cannot read the control log for half of it, %s, stops, and Kafka takes about 10s to notice the death of a broker; "+
			"set grace to %s or more on a real cluster", f.Config.Grace/2, fewBrokersGrace))
	}
	return found, nil
}

func (f *preflight) checkOld(ctx context.Context) (found string, err error) {
	f.old, err = f.Old.Describe(ctx)
	return fmt.Sprintf("%s, key %s, about %d items", f.Config.Source.DynamoDB.Table, f.old.KeySchema, f.old.Items), err
}

func (f *preflight) checkNew(ctx context.Context) (found string, err error) {
	f.new, err = f.New.Describe(ctx)
	return fmt.Sprintf("%s, key %s, about %d items", f.Config.Target.DynamoDB.Table, f.new.KeySchema, f.new.Items), err
}

func (f *preflight) checkKeys(context.Context) (string, error) {
	if !f.old.KeySchema.Equal(f.new.KeySchema) {
		return "", fmt.Errorf("the old table's key is %s, the new one's is %s; they must be the same", f.old.KeySchema, f.new.KeySchema)
	}
	for _, name := range f.Reserved() {
		for _, key := range f.old.KeySchema {
			if key.Name == name {
				return "", fmt.Errorf("the key attribute %q has a name that Crossfade uses; choose another under attributes: in the configuration", name)
			}
		}
	}
	return "the same", nil
}

// checkKeysAgain is checkKeys for a migration that was created with this key.
func (f *preflight) checkKeysAgain(ctx context.Context, recorded events.KeySchema) (string, error) {
	if !f.old.KeySchema.Equal(recorded) {
		return "", fmt.Errorf("the old table's key is %s, and was %s when the migration was created", f.old.KeySchema, recorded)
	}
	return f.checkKeys(ctx)
}

func (f *preflight) checkRead(ctx context.Context) (string, error) {
	return "scan of the old table answered", f.Old.CheckRead(ctx)
}

func (f *preflight) checkWrite(ctx context.Context) (string, error) {
	return "conditional write to the new table answered", f.New.CheckWrite(ctx, f.new.KeySchema)
}

// checkInsert finds out whether rows can be written by INSERT statements, many in a call.
func (f *preflight) checkInsert(ctx context.Context) (string, error) {
	err := f.New.CheckInsert(ctx, f.new.KeySchema)
	if f.singly = dynamodb.NotKnown(err); f.singly {
		return "no PartiQL: rows go one by one", nil
	}
	return "insert into the new table answered", err
}

func (f *preflight) checkLookup(ctx context.Context) (string, error) {
	err := f.Old.CheckLookup(ctx, f.old.KeySchema)
	return needed("consistent read of one row of the old table answered", err, "crossfade restart will need it", f.generation() > 1)
}

// checkLookupNow is checkLookup for a new generation, whose search begins at once.
func (f *preflight) checkLookupNow(ctx context.Context) (string, error) {
	return "consistent read of one row of the old table answered", f.Old.CheckLookup(ctx, f.old.KeySchema)
}

func (f *preflight) checkSearch(ctx context.Context) (string, error) {
	return "scan of the new table answered", f.New.CheckRead(ctx)
}

func (f *preflight) checkRemove(ctx context.Context) (string, error) {
	err := f.New.CheckRemove(ctx, f.new.KeySchema)
	return needed("conditional delete in the new table answered", err, "crossfade sweep will need it", false)
}

// needed is the permission that only a part of the migration needs, and perhaps later: what for, and whether at once.
func needed(found string, err error, what string, now bool) (string, error) {
	if dynamodb.NotPermitted(err) && !now {
		return "", doubt(fmt.Sprintf("%v; %s", err, what))
	}
	return found, err
}

// checkTimeToLive refuses a new table whose items expire: versions and markers would go behind our back, and a record that
// comes late would find nothing that is newer.
func (f *preflight) checkTimeToLive(ctx context.Context) (string, error) {
	ttl, err := f.New.TimeToLive(ctx)
	switch {
	case dynamodb.NotPermitted(err):
		return "", doubt("unknown: dynamodb:DescribeTimeToLive is not permitted; see that no item of the new table expires until the migration is complete")
	case dynamodb.NotKnown(err):
		return "", doubt("unknown: the server does not know DescribeTimeToLive; see that no item of the new table expires until the migration is complete")
	case err != nil:
		return "", err
	case ttl.Removes():
		return "", fmt.Errorf("it is %s (attribute %q): it removes rows with their versions, and markers, and a record that comes late would bring back an older row; "+
			"disable it until the migration is complete. DynamoDB takes up to an hour for that, and it must say DISABLED", ttl.Status, ttl.Attribute)
	}
	return "disabled", nil
}
