package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/compare"
)

func TestReportOK(t *testing.T) {
	good := Report{Comparison: compare.Comparison{Compared: 1}}
	require.True(t, good.OK())
	require.False(t, (Report{}).OK(), "nothing was compared")
	for _, worsen := range []func(*Report){
		func(r *Report) { r.Missing++ },
		func(r *Report) { r.Different++ },
		func(r *Report) { r.Extra++ },
		func(r *Report) { r.Back++ },
		func(r *Report) { r.Markers++ },
		func(r *Report) { r.DeadLetters++ },
	} {
		bad := good
		worsen(&bad)
		require.False(t, bad.OK(), "%+v", bad)
	}
}

func TestReportForAPerson(t *testing.T) {
	r := Report{
		Items: 50_000, Changes: 1234, Killed: []string{"snapshot 1", "streamer 1"}, Stale: 1000, Swept: 12,
		Comparison: compare.Comparison{Compared: 1_234_567, Different: 2, Examples: []string{"different: " + strings.Repeat("x", 300)}},
	}
	var out bytes.Buffer
	require.NoError(t, r.write(&out, false))
	text := out.String()
	require.Contains(t, text, "50,000 rows")
	require.Contains(t, text, "snapshot 1 and streamer 1 were killed")
	require.Contains(t, text, "1,000 records arrived after something newer")
	require.Contains(t, text, "xxx …\n")
	require.True(t, strings.HasSuffix(text, ""+
		"       rows compared  1,234,567\n"+
		"             missing          0\n"+
		"           different          2\n"+
		"               extra          0\n"+
		"  back from the dead          0\n"+
		"        markers left          0\n"), text)

	r.Naive, r.Killed = true, r.Killed[:1]
	out.Reset()
	require.NoError(t, r.write(&out, false))
	require.Contains(t, out.String(), "snapshot 1 was killed")
	require.Contains(t, out.String(), "plain copy")
	require.NotContains(t, out.String(), "sweep")
}

func TestReportAsJSON(t *testing.T) {
	r := Report{Items: 7, Comparison: compare.Comparison{Compared: 3, Back: 1}}
	var out bytes.Buffer
	require.NoError(t, r.write(&out, true))
	var members map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &members))
	require.EqualValues(t, 3, members["rows_compared"])
	require.EqualValues(t, 1, members["back_from_the_dead"])
	require.NotContains(t, members, "Comparison")
}

// full is a writer whose disk is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestReportThatCannotBeWritten(t *testing.T) {
	r := Report{Comparison: compare.Comparison{Examples: []string{"missing: x"}}}
	require.ErrorContains(t, r.write(full{}, false), "disk full")
	require.ErrorContains(t, r.write(full{}, true), "disk full")
}
