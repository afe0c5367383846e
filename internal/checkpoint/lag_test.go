package checkpoint_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// lagging is a log whose reads do not see yet what it took last.
type lagging struct {
	checkpointtest.Log
	hidden  bool
	appends int
}

func (l *lagging) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	if l.appends++; l.appends > 3 {
		panic("appended again and again")
	}
	return l.Log.Append(ctx, entries...)
}

func (l *lagging) Read(ctx context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	if l.hidden {
		return from, nil
	}
	return l.Log.Read(ctx, from, visit)
}

// An entry that was taken and is not to be seen yet has not lost: nobody else's progress would end the turns of Update. It is
// for the caller to try again, at a pace, and then the entry is this Control's own.
func TestUpdateWhoseEntryIsNotToBeSeenYet(t *testing.T) {
	log := &lagging{hidden: true}
	control := checkpoint.NewControl(log, "a")
	_, wrote, err := control.Update(t.Context(), create)
	require.Error(t, err)
	require.NotErrorIs(t, err, checkpoint.ErrLost)
	require.Equal(t, fault.Retry, fault.Of(err))
	require.False(t, wrote)
	require.Equal(t, 1, log.appends)

	log.hidden = false
	state, wrote, err := control.Update(t.Context(), create)
	require.NoError(t, err)
	require.True(t, wrote)
	require.Equal(t, 1, state.Accepted)
	require.Equal(t, 1, log.appends)
}
