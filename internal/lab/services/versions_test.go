package services

import (
	"os"
	"regexp"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// The two ways to the services bring the same versions, and the containers listen where the documentation says.
func TestComposeIsInStep(t *testing.T) {
	script, err := os.ReadFile("../../../scripts/services")
	require.NoError(t, err)
	version := func(name string) string {
		m := regexp.MustCompile(name + `_version=(\S+)`).FindSubmatch(script)
		require.NotNil(t, m)
		return string(m[1])
	}
	text, err := os.ReadFile("../../../docker-compose.yml")
	require.NoError(t, err)
	var compose struct {
		Services map[string]struct {
			Image      string
			Ports      []string
			Entrypoint []string
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &compose))
	require.Equal(t, "apache/kafka:"+version("kafka"), compose.Services["kafka"].Image)
	require.Equal(t, "amazon/dynamodb-local:"+version("dynamodb"), compose.Services["dynamodb"].Image)
	require.Equal(t, []string{"127.0.0.1:9092:9092"}, compose.Services["kafka"].Ports)
	require.Equal(t, []string{"127.0.0.1:8000:8000"}, compose.Services["dynamodb"].Ports)
	for _, worker := range []string{"snapshot", "streamer", "crossfade"} {
		require.Equal(t, "/usr/local/bin/"+worker, compose.Services[worker].Entrypoint[0])
		require.DirExists(t, "../../../cmd/"+worker)
	}
}
