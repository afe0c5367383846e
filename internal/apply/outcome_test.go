package apply

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCounts(t *testing.T) {
	var c Counts
	for o := Applied; o <= OldGen; o++ {
		o.count(&c)
	}
	require.Equal(t, Counts{Applied: 1, Stale: 1, Duplicate: 1, AppOwned: 1, Present: 1, Superseded: 1, Dead: 1, PastClose: 1, OldGen: 1}, c)
	require.Equal(t, int64(9), c.Total())
	require.Equal(t, Counts{Applied: 2, Stale: 2, Duplicate: 2, AppOwned: 2, Present: 2, Superseded: 2, Dead: 2, PastClose: 2, OldGen: 2}, c.Add(c))
	Outcome(0).count(&c)
	require.Equal(t, int64(9), c.Total())
}

func TestOutcomeNames(t *testing.T) {
	for o, name := range map[Outcome]string{
		0: "none", Applied: "applied", Stale: "stale", Duplicate: "duplicate", AppOwned: "app-owned", Present: "present",
		Superseded: "superseded", Dead: "dead", PastClose: "past-close", OldGen: "old-generation", 99: "none",
	} {
		require.Equal(t, name, o.String())
	}
}

// The letters are in the applied facts and in the metadata of committed offsets of migrations that are under way.
func TestOutcomesHaveTheirLetters(t *testing.T) {
	for o, want := range map[Outcome]string{
		0: `{}`, Applied: `{"a":1}`, Stale: `{"s":1}`, Duplicate: `{"d":1}`, AppOwned: `{"o":1}`, Present: `{"p":1}`,
		Superseded: `{"c":1}`, Dead: `{"x":1}`, PastClose: `{"z":1}`, OldGen: `{"g":1}`,
	} {
		var c Counts
		o.count(&c)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		require.Equal(t, want, string(text), o.String())
		var back Counts
		require.NoError(t, json.Unmarshal([]byte(want), &back))
		require.Equal(t, c, back)
	}
}
