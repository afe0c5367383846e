package assembly

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The hash of a configuration is that of what must not change, and of all of it.
func TestFingerprint(t *testing.T) {
	one := map[string]string{"name": "orders", "grace": "5s"}
	require.Len(t, Fingerprint(one), 12)
	require.Equal(t, Fingerprint(one), Fingerprint(map[string]string{"grace": "5s", "name": "orders"}))
	require.NotEqual(t, Fingerprint(one), Fingerprint(map[string]string{"name": "orders", "grace": "6s"}))
	require.NotEqual(t, Fingerprint(one), Fingerprint(map[string]string{"name": "orders"}))
}
