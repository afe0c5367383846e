package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// doubt is what a check could not find out, or a person should know: it forbids nothing, and is shown as a warning.
type doubt string

func (d doubt) Error() string { return string(d) }

// The survey of the new table.
const (
	surveyLines  = 10 * time.Second // between lines about it
	surveyEnough = 10_000           // items after which it ends, when it is not to be exact any more
	// A table of more items than surveyAlone, as it says itself, is read in so many segments side by side.
	surveyAlone    = 100_000
	surveySegments = 8
)

// unhurried is patiently, but for throttling, however long that goes on: a page may take the quota of a minute.
func (c *creation) unhurried(ctx context.Context, op func(context.Context) error) error {
	for {
		err := c.Patiently(ctx, op)
		if fault.ThrottleOf(err) == fault.NotThrottled || ctx.Err() != nil {
			return err
		}
		c.Logger.Warn("the new table is throttled; its read capacity decides how long the check takes", "error", err)
	}
}

// checkItems looks at every item of the new table: what this migration did not write it may never be able to change.
func (c *creation) checkItems(ctx context.Context) (string, error) {
	last, segments := time.Now(), 1
	if c.new.Items > surveyAlone {
		segments = surveySegments
	}
	survey, err := c.New.Survey(ctx, assembly.Attributes(c.Config), c.new.KeySchema, segments, c.unhurried, func(s dynamodb.Survey) bool {
		if time.Since(last) >= surveyLines {
			last = time.Now()
			c.Logger.Info("reading the new table, for items that are not this migration's", "items", s.Items, "about", c.new.Items)
		}
		return s.Items >= surveyEnough && (c.From() == apply.FromNone || c.foreign(s) != nil)
	})
	if err != nil {
		return needed("", err, "crossfade sweep will need it", c.From() != apply.FromNone)
	}
	c.highest = max(c.highest, survey.Highest)
	found := described(survey)
	if c.From() == apply.FromNone {
		return found, c.plain(survey)
	}
	if problem := c.foreign(survey); problem != nil {
		return "", fmt.Errorf("%w (%s)", problem, found)
	}
	return found, nil
}

// plain is what there is to say of the items in the form none, where whatever is there stays as it is.
func (c *creation) plain(s dynamodb.Survey) error {
	switch {
	case c.options.TakeOver:
		return errors.New("--take-over is for the forms that write versions; with live.from: none whatever is in the new table stays as it is")
	case s.Highest > 0:
		return doubt(fmt.Sprintf("another migration has written items, for example %s; with live.from: none whatever is in the new table stays as it is", s.Example.Key))
	}
	return nil
}

// foreign says of the items which must not be there; nil if all of them may.
func (c *creation) foreign(s dynamodb.Survey) error {
	names := c.Config.Attributes
	var problems []error
	if s.Highest > 0 && !c.options.TakeOver {
		problems = append(problems, fmt.Errorf("another migration has written into the new table, for example %s with the version %s: "+
			"what it wrote may never be replaced; use another, empty table, or, when that migration is over and its workers have ended for good, "+
			"begin above all of its generations with --take-over, which marks those of its rows as deleted that are not in this old table", s.Example.Key, s.Example.Value))
	}
	if c.options.TakeOver && s.Highest >= events.MaxGeneration {
		problems = append(problems, fmt.Errorf("the item %s has the last generation there is; use another table", s.Example.Key))
	}
	if s.Strange.Key != "" {
		problems = append(problems, fmt.Errorf("the item %s has the attribute %s, and what it holds is no version: %s; choose another name under attributes: "+
			"in the configuration, or remove such items", s.Strange.Key, names.Version, s.Strange.Value))
	}
	if s.Dead.Key != "" {
		problems = append(problems, fmt.Errorf("the item %s is a marker without a version, of an application that writes %s itself: it would never be changed, "+
			"and the sweep would remove it; remove such items, or choose another name under attributes: in the configuration", s.Dead.Key, names.Deleted))
	}
	if s.Unversioned.Key != "" && !c.options.KeepExisting {
		problems = append(problems, fmt.Errorf("the new table holds items without a version, for example %s: they would never be changed; "+
			"empty the table, or say with --keep-existing that they are the application's", s.Unversioned.Key))
	}
	return errors.Join(problems...)
}

// described is a survey in words.
func described(s dynamodb.Survey) string {
	if s.Items == 0 {
		return "none"
	}
	parts := []string{fmt.Sprintf("%d items read", s.Items)}
	if !s.Whole {
		parts[0] = fmt.Sprintf("the first %d items read", s.Items)
	}
	for _, g := range slices.Sorted(maps.Keys(s.Generations)) {
		parts = append(parts, fmt.Sprintf("%d of generation %d", s.Generations[g], g))
	}
	if s.Markers > 0 {
		parts = append(parts, fmt.Sprintf("%d of those markers", s.Markers))
	}
	if s.Unversioned.Key != "" {
		parts = append(parts, "some without a version (the application's: they will never be changed), for example "+string(s.Unversioned.Key))
	}
	return strings.Join(parts, ", ")
}

// generation is what the migration begins with: above everything that was found in the new table, if that is to be taken
// over. Without it there is nothing, or the form writes no versions.
func (c *creation) generation() uint32 {
	if !c.options.TakeOver {
		return 1
	}
	return c.highest + 1
}

// checkTimeToLive refuses a new table whose items expire: versions and markers would go behind our back, and a record that
// comes late would find nothing that is newer.
func (c *creation) checkTimeToLive(ctx context.Context) (string, error) {
	ttl, err := c.New.TimeToLive(ctx)
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

// checkInsert finds out whether rows can be written by INSERT statements, many in a call.
func (c *creation) checkInsert(ctx context.Context) (string, error) {
	err := c.New.CheckInsert(ctx, c.new.KeySchema)
	if c.singly = dynamodb.NotKnown(err); c.singly {
		return "no PartiQL: rows go one by one", nil
	}
	return "insert into the new table answered", err
}

// needed is the permission that only a part of the migration needs, and perhaps later: what for, and whether at once.
func needed(found string, err error, what string, now bool) (string, error) {
	if dynamodb.NotPermitted(err) && !now {
		return "", doubt(fmt.Sprintf("%v; %s", err, what))
	}
	return found, err
}

func (c *creation) checkLookup(ctx context.Context) (string, error) {
	err := c.Old.CheckLookup(ctx, c.old.KeySchema)
	return needed("consistent read of one row of the old table answered", err, "crossfade restart will need it", c.generation() > 1)
}

func (c *creation) checkRemove(ctx context.Context) (string, error) {
	err := c.New.CheckRemove(ctx, c.new.KeySchema)
	return needed("conditional delete in the new table answered", err, "crossfade sweep will need it", false)
}

// checkUpdate finds out whether the stream may be turned on, and does not turn it on.
func (c *creation) checkUpdate(ctx context.Context) (string, error) {
	shown, err := c.Old.CheckUpdate(ctx)
	if err == nil && !shown {
		return "", doubt("unknown: whether the stream may be turned on (dynamodb:UpdateTable) is known only when that is tried")
	}
	return "an update of the old table that cannot succeed was permitted", err
}

// checkStreamToCome finds out what can be known of a stream that is off.
func (c *creation) checkStreamToCome(ctx context.Context) (string, error) {
	if c.old.ARN != "" {
		if err := c.Old.CheckStreamToCome(ctx, c.old.ARN); err != nil {
			return "", err
		}
	}
	return "off; will be turned on", doubt("whether its records may be read (dynamodb:GetRecords) can be found out only then")
}

// checkStreamRead tries what capture does with a stream that is on.
func checkStreamRead(ctx context.Context, stream *dynamodb.Stream, shards int) (string, error) {
	found := fmt.Sprintf("on, new images, %d shards", shards)
	read, err := stream.CheckStream(ctx)
	if err == nil && !read {
		return found, doubt("unknown: whether its records may be read; there is no shard to try it on")
	}
	return found, err
}

// fewBrokersGrace is the grace below which the death of a broker may end workers.
const fewBrokersGrace = time.Minute

// checkGrace warns of a grace that what happens to a cluster outlasts.
func (c *creation) checkGrace() (string, error) {
	found := c.Config.Grace.String()
	if c.Config.Kafka.Embedded.Dir == "" && c.Config.Grace < fewBrokersGrace {
		return found, doubt(fmt.Sprintf("a worker that cannot read the control log for half of it, %s, stops, and Kafka takes about 10s to notice the death of a broker; "+
			"set grace to %s or more on a real cluster", c.Config.Grace/2, fewBrokersGrace))
	}
	return found, nil
}
