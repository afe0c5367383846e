package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBrokersInWords(t *testing.T) {
	for n, want := range map[int]string{0: "0 brokers", 1: "1 broker", 3: "3 brokers"} {
		require.Equal(t, want, brokers(n))
	}
}
