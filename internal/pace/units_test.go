package pace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteUnits(t *testing.T) {
	for bytes, want := range map[int]float64{0: 1, 1: 1, 1023: 1, 1024: 1, 1025: 2, 409_600: 400} {
		require.InDelta(t, want, WriteUnits(bytes), 0)
	}
}
