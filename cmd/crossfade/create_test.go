package main

import (
	"strings"
	"testing"

	"github.com/crossfadedb/crossfade/internal/operate"
	"github.com/stretchr/testify/require"
)

// What is unknown is shown as neither well nor refused.
func TestPrintChecksShowsWarnings(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printChecks(&out, []operate.Check{
		{What: "keys", Found: "the same"},
		{What: "stream", Found: "off", Warning: "unknown: records"},
		{What: "expiry", Warning: "unknown: expiry"},
		{What: "write", Problem: "not permitted"},
	}))
	require.Equal(t, strings.Join([]string{
		"ok  keys    the same", "!!  stream  off; unknown: records", "!!  expiry  unknown: expiry", "NO  write   not permitted", "",
	}, "\n"), out.String())
}
