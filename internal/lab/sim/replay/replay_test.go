package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSameStory plays seeds again and again: a seed and a schedule tell one story, byte for byte, and others another one.
func TestSameStory(t *testing.T) {
	if os.Getenv("CROSSFADE_REPLAY") == "" {
		t.Skip("CROSSFADE_REPLAY=1 compiles the simulation to WebAssembly; some minutes")
	}
	h, err := newHost(t.Context(), "../../../..")
	require.NoError(t, err)
	tell := func(seed, schedule uint64) string {
		text := &bytes.Buffer{}
		kept, err := h.play(t.Context(), seed, schedule, text)
		require.NoError(t, err)
		require.True(t, kept, text)
		return text.String()
	}
	first := tell(17, 1)
	t.Log(story{17, 1, []byte(first), true})
	require.Greater(t, story{text: []byte(first)}.requests(), 100)
	for range 2 {
		require.Equal(t, first, tell(17, 1))
	}
	require.NotEqual(t, first, tell(17, 2), "another schedule")
	require.NotEqual(t, first, tell(18, 1), "another seed")
}

func TestRequestsAreLeftOut(t *testing.T) {
	text := "   0.298s  app          write {\"pk\":{\"S\":\"> a\"}} serial 1\n" +
		"   1.003s  create-1     > produce control created 0aB41c2d\n" +
		"  11.003s  snapshot-12  < scan old 0a041c2d\n" +
		"   2.000s  world        is quiet\n"
	require.Equal(t, "   0.298s  app          write {\"pk\":{\"S\":\"> a\"}} serial 1\n   2.000s  world        is quiet\n",
		string(request.ReplaceAll([]byte(text), nil)))
	require.Equal(t, 2, story{text: []byte(text)}.requests())
}
