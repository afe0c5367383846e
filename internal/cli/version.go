package cli

import (
	"fmt"
	"runtime"

	"github.com/alecthomas/kong"

	"github.com/crossfadedb/crossfade/internal/build"
)

// Version is the flag that says which build this is.
type Version struct {
	Version kong.VersionFlag `help:"Say which build this is, and end."`
}

// version names a command's build, and what it was built for.
func version(name string) string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", name, build.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
