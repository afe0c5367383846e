package build

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}
	for name, c := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"nothing is known":    {debug.BuildInfo{}, "devel"},
		"a working tree":      {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: settings}, "0123456789ab+changed"},
		"a commit":            {debug.BuildInfo{Settings: settings[:1]}, "0123456789ab"},
		"a released version":  {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: settings}, "v1.2.3"},
		"a test, as this one": {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel"},
	} {
		require.Equal(t, c.want, version(&c.info), name)
	}
	require.NotEmpty(t, Version())
}
