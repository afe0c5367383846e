package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The whole demonstration takes most of a minute, so it runs only where CROSSFADE_DEMO is the number of items.
func TestRun(t *testing.T) {
	items, _ := strconv.Atoi(os.Getenv("CROSSFADE_DEMO"))
	if items == 0 {
		t.Skip("set CROSSFADE_DEMO to the number of items")
	}
	worker := func(kind string) []string { return self(kind) }
	for _, naive := range []bool{false, true} {
		t.Run(map[bool]string{false: "Crossfade", true: "Naive"}[naive], func(t *testing.T) {
			var out bytes.Buffer
			report, err := Run(t.Context(), Options{
				Items: items, Seed: 1, Naive: naive, JSON: true, Stdout: &out, Stderr: t.Output(), Worker: worker,
			})
			require.NoError(t, err)
			require.Equal(t, naive, !report.OK(), "%+v", report)
			require.Len(t, report.Killed, 2)
			require.Positive(t, report.Changes)
			var printed Report
			require.NoError(t, json.Unmarshal(out.Bytes(), &printed))
			require.Equal(t, report, printed)
			t.Logf("%s", out.String())
		})
	}
}
