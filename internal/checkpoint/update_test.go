package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// network is a log whose appends fail in every way: refused, taken without a word, or taken later. The zero network is a log
// that works.
type network struct {
	checkpointtest.Log
	before func()               // anything
	answer func() (fate, error) // what becomes of the next append; nil: it is taken
	late   [][]checkpoint.Entry // on their way
}

type fate int

const (
	taken fate = iota
	refused
	delayed
)

func (n *network) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	if n.before != nil {
		n.before()
	}
	if n.answer == nil {
		return n.Log.Append(ctx, entries...)
	}
	what, err := n.answer()
	switch what {
	case delayed:
		n.late = append(n.late, entries)
	case taken:
		if err := n.Log.Append(ctx, entries...); err != nil {
			return err
		}
	case refused:
	}
	return err
}

func (n *network) Read(ctx context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	if n.before != nil {
		n.before()
	}
	return n.Log.Read(ctx, from, visit)
}

// arrive lets the first append arrive that is on its way.
func (n *network) arrive() {
	entries := n.late[0]
	n.late = n.late[1:]
	_ = n.Log.Append(context.Background(), entries...) // a log in memory takes everything
}

// once is what an append answers that is not like the others.
func (n *network) once(what fate, err error) {
	n.answer = func() (fate, error) {
		n.answer = nil
		return what, err
	}
}

var cut = &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "append", Err: errors.New("the connection was cut")}

// create decides as create does.
func create(state checkpoint.State) (*checkpoint.ControlEntry, error) {
	if state.Created != nil {
		return nil, nil
	}
	return &created, nil
}

func TestUpdate(t *testing.T) {
	log := &network{}
	a, b := checkpoint.NewControl(log, "a"), checkpoint.NewControl(log, "b")
	state, wrote, err := a.Update(t.Context(), create)
	require.NoError(t, err)
	require.True(t, wrote)
	require.Equal(t, checkpoint.Copying, state.Phase())

	state, wrote, err = b.Update(t.Context(), create)
	require.NoError(t, err)
	require.False(t, wrote, "it is there already")
	require.Equal(t, checkpoint.Copying, state.Phase())
	require.Len(t, log.Entries(), 1)

	_, wrote, err = a.Update(t.Context(), create)
	require.NoError(t, err)
	require.False(t, wrote, "said once")

	_, _, err = b.Update(t.Context(), func(checkpoint.State) (*checkpoint.ControlEntry, error) { return nil, checkpoint.ErrNewGeneration })
	require.Equal(t, checkpoint.ErrNewGeneration, err, "as it is")
	_, _, err = b.Update(t.Context(), func(checkpoint.State) (*checkpoint.ControlEntry, error) { return &created, nil })
	require.ErrorContains(t, err, "does not fit the phase")
	require.Len(t, log.Entries(), 1, "what was refused was not written")
}

// Who loses decides anew, on the state in which it lost, as often as it loses.
func TestUpdateDecidesAnewAfterALoss(t *testing.T) {
	log := &network{}
	operator, closer := checkpoint.NewControl(log, "operator"), checkpoint.NewControl(log, "closer")
	_, _, err := operator.Update(t.Context(), create)
	require.NoError(t, err)
	var asked []uint32
	state, wrote, err := closer.Update(t.Context(), func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
		asked = append(asked, state.Generation())
		if state.Generation() < 4 { // somebody restarts between the decision and the append
			_, err := operator.Refresh(t.Context())
			require.NoError(t, err)
			_, err = operator.Append(t.Context(), restarted(state.Generation()+1))
			require.NoError(t, err)
		}
		e := closedOf(state.Generation())
		return &e, nil
	})
	require.NoError(t, err)
	require.True(t, wrote)
	require.Equal(t, []uint32{1, 2, 3, 4}, asked)
	require.EqualValues(t, 4, state.Closed.Generation)
	require.Len(t, log.Entries(), 8, "created, three lost closes and the restarts before them, and the close")
}

// After an error that does not say whether the entry was taken there is no second attempt in the same call, and the next call
// finds out.
func TestUpdateWhoseAppendIsUnclear(t *testing.T) {
	for name, c := range map[string]struct {
		what    fate
		arrives string // when an append that is delayed does
		entries int
	}{
		"it was taken":                          {taken, "", 1},
		"it was not taken":                      {refused, "", 1},
		"it comes before it is tried again":     {delayed, "before the read", 1},
		"it comes while it is tried again":      {delayed, "before the append", 2},
		"it comes after it was tried again":     {delayed, "at the end", 2},
		"it comes while another one is written": {delayed, "behind another's", 2},
	} {
		t.Run(name, func(t *testing.T) {
			log := &network{}
			a, b := checkpoint.NewControl(log, "a"), checkpoint.NewControl(log, "b")
			log.once(c.what, cut)
			_, wrote, err := a.Update(t.Context(), create)
			require.ErrorIs(t, err, cut)
			require.Equal(t, fault.Retry, fault.Of(err), "who retries is the caller")
			require.False(t, wrote)
			switch c.arrives {
			case "before the read":
				log.arrive()
			case "before the append":
				calls := 0
				log.before = func() {
					if calls++; calls == 2 {
						log.arrive()
					}
				}
			case "behind another's":
				_, wrote, err := b.Update(t.Context(), create)
				require.NoError(t, err)
				require.True(t, wrote)
				log.arrive()
			}
			state, wrote, err := a.Update(t.Context(), create)
			require.NoError(t, err)
			require.Equal(t, c.arrives != "behind another's", wrote)
			require.Equal(t, checkpoint.Copying, state.Phase())
			if c.arrives == "at the end" {
				log.arrive()
			}
			require.Len(t, log.Entries(), c.entries)
			state, err = checkpoint.NewControl(&log.Log, "reader").Refresh(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, state.Accepted, "only one took effect")
		})
	}
}

// wants is what processes want of a migration, one after the other: each once, whoever does it.
var wants = []struct {
	entry checkpoint.ControlEntry
	there func(checkpoint.State) bool
}{
	{created, func(s checkpoint.State) bool { return s.Created != nil }},
	{closed, func(s checkpoint.State) bool { return s.Closed != nil }},
	{checkpoint.ControlEntry{Replay: &checkpoint.Replay{}}, func(s checkpoint.State) bool { return s.Replays > 0 }},
	{checkpoint.ControlEntry{Replay: &checkpoint.Replay{Reset: true}}, func(s checkpoint.State) bool { return s.Epoch > 0 }},
	{restarted(2), func(s checkpoint.State) bool { return s.Generation() > 1 }},
}

// Two processes want the same of a migration, one after the other and both at once, over a network that loses answers and
// delays entries: everything happens once, in order, both see it, and exactly the one that did it says so.
func TestTwoControlsOnABadNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := &network{}
		controls := []*checkpoint.Control{checkpoint.NewControl(log, "a"), checkpoint.NewControl(log, "b")}
		faults := rapid.IntRange(0, 8).Draw(t, "faults") // an end to them, so that the processes come to an end
		log.answer = func() (fate, error) {
			if faults == 0 || rapid.Bool().Draw(t, "well") {
				return taken, nil
			}
			faults--
			return rapid.SampledFrom([]fate{taken, refused, delayed}).Draw(t, "fate"), cut
		}
		for _, want := range wants {
			var wrote [2]int
			update := func(who int) (done bool) {
				_, did, err := controls[who].Update(context.Background(), func(s checkpoint.State) (*checkpoint.ControlEntry, error) {
					if want.there(s) {
						return nil, nil
					}
					return &want.entry, nil
				})
				if err != nil {
					require.ErrorIs(t, err, cut)
					require.False(t, did)
				}
				if did {
					wrote[who]++
				}
				return err == nil
			}
			var done [2]bool
			at := -1 // whose call is under way
			log.before = func() {
				if len(log.late) > 0 && rapid.Bool().Draw(t, "arrives") {
					log.arrive()
				}
				if other := 1 - at; at >= 0 && !done[other] && rapid.IntRange(0, 3).Draw(t, "the other one") == 0 {
					at = -1 // within it nobody else comes in between
					done[other] = update(other)
					at = 1 - other
				}
			}
			for !done[0] || !done[1] {
				at = rapid.IntRange(0, 1).Draw(t, "who")
				if who := at; !done[who] {
					done[who] = update(who)
				}
				at = -1
			}
			log.before = nil

			writer := ""
			for i, control := range controls {
				state, err := control.Refresh(context.Background())
				require.NoError(t, err)
				require.True(t, want.there(state))
				if wrote[i] > 0 {
					writer = control.By()
				}
			}
			require.Equal(t, 1, wrote[0]+wrote[1], "exactly one says that it did it")
			require.Equal(t, writer, authorOfTheLast(t, &log.Log))
		}
		for len(log.late) > 0 {
			log.arrive()
		}
		state, err := checkpoint.NewControl(&log.Log, "reader").Refresh(context.Background())
		require.NoError(t, err)
		require.Equal(t, len(wants), state.Accepted)
		require.Equal(t, 1, state.Replays)
		require.Equal(t, 1, state.Epoch)
	})
}

// authorOfTheLast is who wrote the last entry that was accepted, by another way than Control's.
func authorOfTheLast(t *rapid.T, log *checkpointtest.Log) (by string) {
	accepted := 0
	for _, e := range log.Entries() {
		var entry checkpoint.ControlEntry
		require.NoError(t, json.Unmarshal(e.Value, &entry))
		if entry.After == accepted {
			accepted, by = accepted+1, entry.By
		}
	}
	return by
}
