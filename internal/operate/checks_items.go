package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// The survey of the new table.
const (
	surveyLines  = 10 * time.Second // between lines about it
	surveyEnough = 10_000           // items after which it ends, when it is not to be exact any more
	// A table of more items than surveyAlone, as it says itself, is read in so many segments side by side.
	surveyAlone    = 100_000
	surveySegments = 8
)

// unhurried says that the new table is throttled, now and then: a page may take the quota of a minute. It is not given up for that.
func (f *preflight) unhurried() fault.Notify {
	throttled := rate.Sometimes{Interval: assembly.Patience}
	retrying := fault.Retrying(f.Logger, "read the new table")
	return func(err error, wait time.Duration) {
		retrying(err, wait)
		if fault.ThrottleOf(err) != fault.NotThrottled {
			throttled.Do(func() {
				f.Logger.Warn("the new table is throttled; its read capacity decides how long the check takes", "error", err)
			})
		}
	}
}

// checkItems looks at every item of the new table: what this migration did not write it may never be able to change.
func (f *preflight) checkItems(ctx context.Context) (string, error) {
	last, segments := time.Now(), 1
	if f.new.Items > surveyAlone {
		segments = surveySegments
	}
	survey, err := f.New.Survey(ctx, assembly.Attributes(f.Config), f.new.KeySchema, dynamodb.Surveying{
		Segments: segments, Patience: assembly.Patience, Notify: f.unhurried(),
		Enough: func(s dynamodb.Survey) bool {
			if time.Since(last) >= surveyLines {
				last = time.Now()
				f.Logger.Info("reading the new table, for items that are not this migration's", "items", s.Items, "about", f.new.Items)
			}
			return s.Items >= surveyEnough && (f.From() == apply.FromNone || f.foreign(s) != nil)
		},
	})
	if err != nil {
		return needed("", err, "crossfade sweep will need it", f.From() != apply.FromNone)
	}
	f.highest = max(f.highest, survey.Highest)
	found := described(survey)
	if f.From() == apply.FromNone {
		return found, f.plain(survey)
	}
	if problem := f.foreign(survey); problem != nil {
		return "", fmt.Errorf("%w (%s)", problem, found)
	}
	return found, nil
}

// plain is what there is to say of the items in the form none, where whatever is there stays as it is.
func (f *preflight) plain(s dynamodb.Survey) error {
	switch {
	case f.takeOver:
		return errors.New("--take-over is for the forms that write versions; with live.from: none whatever is in the new table stays as it is")
	case s.Highest > 0:
		return doubt(fmt.Sprintf("another migration has written items, for example %s; with live.from: none whatever is in the new table stays as it is", s.Example.Key))
	}
	return nil
}

// foreign says of the items which must not be there; nil if all of them may.
func (f *preflight) foreign(s dynamodb.Survey) error {
	names := f.Config.Attributes
	var problems []error
	if s.Highest > 0 && !f.takeOver {
		problems = append(problems, fmt.Errorf("another migration has written into the new table, for example %s with the version %s: "+
			"what it wrote may never be replaced; use another, empty table, or, when that migration is over and its workers have ended for good, "+
			"begin above all of its generations with --take-over, which marks those of its rows as deleted that are not in this old table", s.Example.Key, s.Example.Value))
	}
	if f.takeOver && s.Highest >= events.MaxGeneration {
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
	if s.Unversioned.Key != "" && !f.keepExisting {
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
func (f *preflight) generation() uint32 {
	if !f.takeOver {
		return 1
	}
	return f.highest + 1
}
