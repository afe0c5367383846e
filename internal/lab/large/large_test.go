package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRows(t *testing.T) {
	decoder := events.NewDecoder(schema)
	for i := range 100 {
		for _, raw := range [][]byte{kilobytes{}.Item(i, uint64(i)), smallItem(i)} {
			require.True(t, json.Valid(raw))
			item, err := decoder.Item(raw)
			require.NoError(t, err)
			key, err := schema.Key(item)
			require.NoError(t, err)
			require.Equal(t, kilobytes{}.Key(i), string(key))
		}
		require.InDelta(t, kilobyte, len(kilobytes{}.Item(i, 7)), 32)
	}
}

func TestFill(t *testing.T) {
	server := embedded.New(embedded.Options{})
	require.NoError(t, createTable(t.Context(), server, oldTable))
	require.NoError(t, fill(t.Context(), server, kilobytes{batchSize*3 + 1}))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://embedded/", strings.NewReader(`{"TableName":"old","Select":"COUNT"}`))
	require.NoError(t, err)
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.Scan")
	request.Header.Set("Authorization", "none")
	response, err := server.Transport().RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var answer struct{ Count int }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	require.Equal(t, batchSize*3+1, answer.Count)
	require.ErrorContains(t, createTable(t.Context(), server, oldTable), "ResourceInUseException")
}

func TestParseStatus(t *testing.T) {
	s, err := parseStatus([]byte("Name:\tsnapshot\nVmHWM:\t  2000 kB\nVmRSS:\t  1000 kB\nThreads:\t9\n"))
	require.NoError(t, err)
	require.Equal(t, sample{resident: 1000 << 10, peak: 2000 << 10, threads: 9}, s)
	_, err = parseStatus([]byte("Name:\tsnapshot\nState:\tZ (zombie)\nThreads:\t1\n"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = parseStatus([]byte("VmRSS:\tmuch kB\n"))
	require.ErrorContains(t, err, "VmRSS")
}

func TestObserve(t *testing.T) {
	before, err := observe(os.Getpid())
	if os.IsNotExist(err) {
		t.Skip("no /proc here")
	}
	require.NoError(t, err)
	require.Positive(t, before.resident)
	require.GreaterOrEqual(t, before.peak, before.resident/2)
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	after, err := observe(os.Getpid())
	require.NoError(t, err)
	require.Equal(t, before.descriptors+1, after.descriptors)
	require.NoError(t, file.Close())
}

func TestSamplesAndPeaks(t *testing.T) {
	samples := []sample{
		{worker: "b", at: time.Second, resident: 3e6, peak: 5e6, threads: 7, descriptors: 20, sockets: 2},
		{worker: "a", at: time.Second, resident: 1e6, peak: 1e6},
		{worker: "b", at: 2 * time.Second, resident: 4e6, peak: 5e6, threads: 6, descriptors: 10, sockets: 9},
	}
	var csv, table bytes.Buffer
	require.NoError(t, writeSamples(&csv, samples))
	require.Equal(t, "worker,seconds,resident_mb,peak_mb,threads,descriptors,sockets\nb,1.0,3.0,5.0,7,20,2\na,1.0,1.0,1.0,0,0,0\nb,2.0,4.0,5.0,6,10,9\n", csv.String())
	showPeaks(&table, 10, peaks(samples))
	require.Equal(t, fmt.Sprintln("| 10 | a | 1 s | 1.0 | 0 | 0 | 0 |")+fmt.Sprintln("| 10 | b | 2 s | 5.0 | 7 | 20 | 9 |"), table.String())
}
