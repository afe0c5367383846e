package cli

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asProcess makes the test binary act as the program process.
const asProcess = "CROSSFADE_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) == "1" {
		os.Exit(Main("process", "For a test.", &process{}, os.Args[1:], Streams{Stdout: os.Stdout, Stderr: os.Stderr}))
	}
	goleak.VerifyTestMain(m)
}
