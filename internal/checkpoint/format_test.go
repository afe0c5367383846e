package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/build"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// with is what a build knows that differs from this one in one kind; format 0: it does not know the kind.
func with(known formats, kind string, f format) formats {
	known = maps.Clone(known)
	if known[kind] = f; f.number == 0 {
		delete(known, kind)
	}
	return known
}

// stoppedFor holds err against what a person needs who meets it.
func stoppedFor(t require.TestingT, err error, needs, what string) {
	require.Equal(t, fault.Fatal, fault.Of(err))
	require.ErrorContains(t, err, what)
	require.ErrorContains(t, err, needs)
	require.ErrorContains(t, err, "this is "+build.Version())
	require.ErrorContains(t, err, "start this process again with such a version")
}

// neededBy is what is said of a statement that this build refuses.
func neededBy(value string) string {
	if strings.Contains(value, `"needs":"v9.8.7"`) {
		return "needs Crossfade v9.8.7 or newer"
	}
	return "needs a newer Crossfade (it does not say which)"
}

// What this build makes of control entries, accepted or not. Whatever it passes over it counts as a build does that knows it.
func TestEntriesOfOtherBuilds(t *testing.T) {
	const (
		read    = iota // and takes effect
		counted        // and nothing else
		stopped
		damaged
	)
	for name, c := range map[string]struct {
		value string
		want  int
	}{
		"known, without a format":             {`"swept":{"removed":3,"left":0}`, read},
		"known, in format 1":                  {`"format":1,"swept":{"removed":3,"left":0}`, read},
		"newer, optional":                     {`"format":2,"optional":true,"swept":{"removed":3,"left":0,"bytes":{"x":[7]}}`, read},
		"newer, optional, with known members": {`"format":9,"optional":true,"swept":{"removed":3,"left":0}`, read},
		"newer, required":                     {`"format":2,"needs":"v9.8.7","swept":{"removed":3,"left":0,"bytes":7}`, stopped},
		"newer, required, in words we know":   {`"format":2,"needs":"v9.8.7","swept":{"removed":3,"left":0}`, stopped},
		"unknown kind, optional":              {`"format":2,"optional":true,"paused":{"swept":{"removed":3}}`, counted},
		"unknown kind, required":              {`"format":2,"needs":"v9.8.7","paused":{}`, stopped},
		"unknown kind that needs no version":  {`"format":2,"paused":{}`, stopped},

		"no JSON":                                 {`"swept":{"removed":3`, damaged},
		"something behind it":                     {`"swept":{"removed":3,"left":0}} {`, damaged},
		"an unknown member":                       {`"swept":{"removed":3,"left":0,"bytes":7}`, damaged},
		"an unknown member in format 1":           {`"format":1,"optional":true,"swept":{"removed":3,"left":0,"bytes":7}`, damaged},
		"an unknown kind of the first builds":     {`"paused":{}`, damaged},
		"an optional kind of the first builds":    {`"format":1,"optional":true,"paused":{}`, damaged},
		"no kind":                                 {`"format":2,"optional":true`, damaged},
		"no kind but null":                        {`"format":2,"optional":true,"paused":null`, damaged},
		"two kinds":                               {`"format":2,"optional":true,"paused":{},"swept":{}`, damaged},
		"a kind in capitals":                      {`"Swept":{"removed":3,"left":0}`, damaged},
		"a format below 1":                        {`"format":-2,"optional":true,"swept":{"removed":3,"left":0}`, damaged},
		"a format that is no number":              {`"format":"2","optional":true,"swept":{"removed":3,"left":0}`, damaged},
		"newer and optional, of another type":     {`"format":2,"optional":true,"swept":{"removed":"three"}`, damaged},
		"newer, optional, and not even an object": {`"format":2,"optional":true,"swept":3`, damaged},
	} {
		t.Run(name, func(t *testing.T) {
			begun := NewControl(nil, "reader")
			for _, e := range []ControlEntry{{Created: &Created{Generation: 1}}, {After: 1, Closed: &Closed{Generation: 1}}} {
				state, accepted, err := begun.state.Fold(e)
				require.NoError(t, err)
				require.True(t, accepted)
				begun.state = state
			}
			for _, lost := range []bool{false, true} {
				reader := *begun
				after := reader.state.Accepted
				if lost {
					after--
				}
				value := fmt.Sprintf(`{"after":%d,"at":"2026-01-01T00:00:00Z","by":"other",%s}`, after, c.value)
				accepted, err := reader.fold(Entry{Offset: 2, Value: []byte(value)})
				switch {
				case c.want == damaged:
					require.ErrorContains(t, err, "control entry at offset 2", value)
					require.NotContains(t, err.Error(), "needs")
				case lost: // it took effect nowhere, so no build has to know it
					require.NoError(t, err, value)
				case c.want == stopped:
					stoppedFor(t, err, neededBy(value), "offset 2")
				default:
					require.NoError(t, err, value)
				}
				taken := !lost && (c.want == read || c.want == counted)
				require.Equal(t, taken, accepted)
				want := begun.state
				if taken {
					want.Accepted++
				}
				if taken && c.want == read {
					want.Removed = 3
				}
				require.Equal(t, want.Removed, reader.state.Removed)
				require.Equal(t, want.Accepted, reader.state.Accepted)
				require.Equal(t, want.Phase(), reader.state.Phase())
			}
		})
	}
}

// steps is what processes of an older and of a newer build may append, in a migration that is streaming.
var steps = map[string]ControlEntry{
	"sweeping": {Sweeping: &Sweeping{}}, "swept": {Swept: &Swept{Removed: 1}},
	"replay": {Replay: &Replay{}}, "reset": {Replay: &Replay{Reset: true}},
}

// Invariant of a rolling upgrade: two builds, of which the older one does not know a kind that is optional, or knows it in a
// lower format, count the same entries as accepted, and agree on whose was first, in whatever order they read and write.
func TestBuildsAgreeOnWhatIsAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		older, newer formats
	}{
		"an optional kind":   {with(controlFormats, "swept", format{}), with(controlFormats, "swept", format{number: 2, optional: true})},
		"an optional format": {controlFormats, with(controlFormats, "swept", format{number: 2, optional: true})},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				log := &memory{}
				older, newer := NewControl(log, "older"), NewControl(log, "newer")
				older.formats, newer.formats = c.older, c.newer
				for _, e := range []ControlEntry{{Created: &Created{Generation: 1}}, {Closed: &Closed{Generation: 1}}} {
					_, err := newer.Append(context.Background(), e)
					require.NoError(t, err)
				}
				readers := []*Control{NewControl(log, "older reader"), NewControl(log, "newer reader")}
				readers[0].formats, readers[1].formats = c.older, c.newer
				states := func() (all [2]State) {
					for i, reader := range readers {
						state, err := reader.Refresh(context.Background())
						require.NoError(t, err)
						state.Removed, state.Sweepers = 0, nil // all that the optional kind changes
						all[i] = state
					}
					require.Equal(t, all[1], all[0])
					return all
				}
				for range rapid.IntRange(1, 12).Draw(t, "steps") {
					who := rapid.SampledFrom([]*Control{older, newer}).Draw(t, "who")
					what := rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(t, "what")
					if _, knows := who.formats[kindIn(t, steps[what])]; !knows {
						continue // no build writes what it does not know
					}
					if rapid.Bool().Draw(t, "reads first") {
						_, err := who.Refresh(context.Background())
						require.NoError(t, err)
					}
					accepted := states()[0].Accepted
					if _, err := who.Append(context.Background(), steps[what]); err == nil {
						accepted++
					}
					require.Equal(t, accepted, states()[0].Accepted)
				}
			})
		})
	}
}

func kindIn(t require.TestingT, e ControlEntry) string {
	value, err := controlFormats.encodeEntry(e)
	require.NoError(t, err)
	kind, err := kindOf(value)
	require.NoError(t, err)
	return kind
}

// memory is a log in memory.
type memory struct{ entries []Entry }

func (m *memory) Append(_ context.Context, entries ...Entry) error {
	for _, e := range entries {
		e.Offset = int64(len(m.entries))
		m.entries = append(m.entries, e)
	}
	return nil
}

func (m *memory) Read(_ context.Context, from int64, visit func(Entry) error) (int64, error) {
	for _, e := range m.entries[from:] {
		if err := visit(e); err != nil {
			return from, err
		}
	}
	return int64(len(m.entries)), nil
}

// An older build stops at what it must know, each time that it reads, and says which version it needs: that of the writer.
func TestOlderBuildStopsAtARequiredEntry(t *testing.T) {
	for name, older := range map[string]formats{"an unknown kind": with(controlFormats, "closed", format{}), "a newer format": controlFormats} {
		log := &memory{}
		newer, reader := NewControl(log, "newer"), NewControl(log, "older")
		newer.formats, reader.formats = with(controlFormats, "closed", format{number: 2}), older
		_, err := newer.Append(t.Context(), ControlEntry{Created: &Created{Generation: 1}})
		require.NoError(t, err)
		_, err = newer.Append(t.Context(), ControlEntry{Closed: &Closed{Generation: 1}})
		require.NoError(t, err)
		for range 2 {
			_, err = reader.Refresh(t.Context())
			stoppedFor(t, err, "Crossfade "+build.Version()+" or newer", `read control: offset 1: "closed" in format 2 needs`)
			require.Equal(t, 1, reader.state.Accepted, name)
		}
	}
}

// What this build makes of facts.
func TestFactsOfOtherBuilds(t *testing.T) {
	const (
		shard = "shard/1/s@w.0"
		lease = "lease/1/s@w.0" // a kind that is not known

		read = iota
		leftOut
		stopped
		damaged
	)
	fact := ShardFact{Generation: 1, Shard: "s", Position: events.PositionAt(7), Records: 7}
	bare := fmt.Sprintf(`{"generation":1,"shard":"s","position":%q,"records":7}`, fact.Position)
	more := strings.Replace(bare, "{", `{"lag":{"ms":5},`, 1)
	for name, c := range map[string]struct {
		key, value string
		want       int
	}{
		"known, without a format":              {shard, bare, read},
		"known, in format 1":                   {shard, `{"format":1,"fact":` + bare + `}`, read},
		"newer, optional":                      {shard, `{"format":2,"optional":true,"fact":` + more + `}`, read},
		"newer, optional, with known members":  {shard, `{"format":2,"optional":true,"fact":` + bare + `}`, read},
		"newer, required":                      {shard, `{"format":2,"needs":"v9.8.7","fact":` + more + `}`, stopped},
		"newer, required, in words we know":    {shard, `{"format":2,"needs":"v9.8.7","fact":` + bare + `}`, stopped},
		"unknown kind, optional":               {lease, `{"format":2,"optional":true,"fact":{"holder":"x"}}`, leftOut},
		"unknown kind, required":               {lease, `{"format":2,"needs":"v9.8.7","fact":{"holder":"x"}}`, stopped},
		"unknown kind that needs no version":   {lease, `{"format":3,"fact":{"holder":"x"}}`, stopped},
		"the erasure of an unknown kind":       {lease, "", leftOut},
		"no JSON":                              {shard, `{"format":2,"optional":true,"fact":{`, damaged},
		"an unknown member":                    {shard, more, damaged},
		"an unknown member in format 1":        {shard, `{"format":1,"optional":true,"fact":` + more + `}`, damaged},
		"an unknown member of the envelope":    {shard, `{"format":2,"optional":true,"since":1,"fact":` + bare + `}`, damaged},
		"an unknown kind of the first builds":  {lease, `{"holder":"x"}`, damaged},
		"an optional kind of the first builds": {lease, `{"format":1,"optional":true,"fact":{}}`, damaged},
		"a format below 1":                     {shard, `{"format":-1,"optional":true,"fact":` + bare + `}`, damaged},
		"a format that is no number":           {shard, `{"format":"2","optional":true,"fact":` + bare + `}`, damaged},
		"no fact":                              {shard, `{"format":2,"optional":true}`, damaged},
		"newer, optional, about another":       {shard, `{"format":2,"optional":true,"fact":{"generation":1,"shard":"t"}}`, damaged},
		"newer, optional, of another type":     {shard, `{"format":2,"optional":true,"fact":{"generation":"one","shard":"s"}}`, damaged},
		"no writer":                            {"lease/1/s", `{"format":2,"optional":true,"fact":{}}`, damaged},
	} {
		t.Run(name, func(t *testing.T) {
			f := view()
			e := Entry{Offset: 7, Key: []byte(c.key)}
			if c.value != "" {
				e.Value = []byte(c.value)
			}
			err := f.fold(e)
			switch c.want {
			case stopped:
				stoppedFor(t, err, neededBy(c.value), "offset 7")
			case damaged:
				require.ErrorContains(t, err, "offset 7")
				require.NotContains(t, err.Error(), "needs")
			default:
				require.NoError(t, err)
			}
			want := map[string]ShardFact{}
			if c.want == read {
				want["s"] = fact
			}
			require.Equal(t, want, f.Shards(1))
			require.Empty(t, f.segments)
			require.Empty(t, f.applied)
			require.Empty(t, f.workers)
		})
	}
}

// What a newer build writes, an older one reads, leaves out, or stops at, as the newer one has said of it.
func TestFactsBetweenBuilds(t *testing.T) {
	fact := ShardFact{Generation: 1, Shard: "s", Position: events.PositionAt(7)}
	for name, c := range map[string]struct {
		older, newer format // of the kind shard
		reads, stops bool
	}{
		"the same":          {format{number: 1}, format{number: 1}, true, false},
		"optional":          {format{number: 1}, format{number: 2, optional: true}, true, false},
		"an optional kind":  {format{}, format{number: 2, optional: true}, false, false},
		"required":          {format{number: 2, optional: true}, format{number: 3}, false, true},
		"a required kind":   {format{}, format{number: 2}, false, true},
		"the older's words": {format{number: 3}, format{number: 2}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			log := &memory{}
			newer, older := NewFacts(log, "newer", time.Minute), NewFacts(log, "older", time.Minute)
			newer.formats, older.formats = with(factFormats, "shard", c.newer), with(factFormats, "shard", c.older)
			require.NoError(t, newer.WriteShards(t.Context(), fact))
			err := older.Refresh(t.Context())
			if c.stops {
				stoppedFor(t, err, "Crossfade "+build.Version()+" or newer", "offset 0")
			} else {
				require.NoError(t, err)
			}
			_, known := older.Shard(1, "s")
			require.Equal(t, c.reads, known)
			require.NoError(t, newer.Refresh(t.Context()))
			got, _ := newer.Shard(1, "s")
			require.Equal(t, fact, got)
		})
	}
}

// Every kind has a format: the members of a control entry that are no part of its head, and the four kinds of fact.
func TestEveryKindHasAFormat(t *testing.T) {
	var kinds []string
	for field := range reflect.TypeFor[ControlEntry]().Fields() {
		if field.Type.Kind() == reflect.Pointer {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			kinds = append(kinds, name)
		}
	}
	require.ElementsMatch(t, kinds, slices.Collect(maps.Keys(controlFormats)))
	var subjects []string
	for _, subject := range []string{SegmentFact{}.subject(), ShardFact{}.subject(), AppliedFact{}.subject(), WorkerFact{}.subject()} {
		subjects = append(subjects, kindOfSubject(subject))
	}
	require.ElementsMatch(t, subjects, slices.Collect(maps.Keys(factFormats)))
}

// What the first builds wrote is what this one writes, to the byte: they refuse what they do not know.
func TestFormat1IsAsEver(t *testing.T) {
	log := &memory{}
	control, facts := NewControl(log, "me"), NewFacts(log, "me", time.Minute)
	control.state = State{Accepted: 1, Created: &Created{Generation: 1}}
	e := ControlEntry{After: 1, At: time.Unix(1_700_000_000, 0).UTC(), By: "me", Closed: &Closed{Generation: 1, Ends: map[int]int64{0: 10}}}
	value, err := control.formats.encodeEntry(e)
	require.NoError(t, err)
	require.Equal(t, `{"after":1,"at":"2023-11-14T22:13:20Z","by":"me","closed":{"generation":1,"ends":{"0":10}}}`, string(value))
	require.NoError(t, facts.WriteSegments(t.Context(), SegmentFact{Generation: 1, Segment: 3, Total: 8, Pages: 4, Items: 40, Done: true}))
	require.Equal(t, `{"generation":1,"segment":3,"total":8,"pages":4,"items":40,"done":true}`, string(log.entries[0].Value))
}
