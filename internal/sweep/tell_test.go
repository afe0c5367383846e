package sweep

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

// The answers to what a pass says of itself are lost: it says each once, and has ended when it is over.
func TestSweepWhoseAnswersAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""))
		s.close(t)
		before := len(s.control.Entries())
		s.control.LoseAcks(1) // of the beginning
		began := s.table.began
		removing := false
		s.table.began = func() bool {
			removing = true
			s.control.LoseAcks(1) // of the end
			return began()
		}
		_, err := s.sweep().Run(t.Context())
		require.NoError(t, err)
		require.True(t, removing)
		require.Len(t, s.table.removed, 1)
		state, err := checkpoint.NewControl(s.control, "reader").Refresh(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, state.Sweeps)
		require.Empty(t, state.Sweepers)
		require.EqualValues(t, 1, state.Removed)
		require.Len(t, s.control.Entries(), before+2)
	})
}
