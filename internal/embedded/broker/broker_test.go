package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/embedded/broker"
)

// writerIn makes the test binary a process that writes numbers to the broker of that directory until it is killed.
const writerIn = "CROSSFADE_TEST_WRITER_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerIn); dir != "" {
		if err := write(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

func client(address string) *kafkago.Client {
	return &kafkago.Client{Addr: kafkago.TCP(address), Timeout: 10 * time.Second, Transport: &kafkago.Transport{}}
}

// connect is client, for as long as the test.
func connect(t *testing.T, address string) *kafkago.Client {
	c := client(address)
	t.Cleanup(c.Transport.(*kafkago.Transport).CloseIdleConnections)
	return c
}

// write says each number on standard output once it is acknowledged.
func write(dir string) error {
	b, err := broker.Start(dir)
	if err != nil {
		return err
	}
	ctx, c := context.Background(), client(b.Address())
	_, err = c.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{{Topic: "x", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		answer, err := c.Produce(ctx, &kafkago.ProduceRequest{
			Topic: "x", RequiredAcks: kafkago.RequireAll,
			Records: kafkago.NewRecordReader(kafkago.Record{Value: kafkago.NewBytes([]byte(strconv.Itoa(i)))}),
		})
		if err != nil {
			return err
		}
		if answer.Error != nil {
			continue // the topic is not there yet
		}
		if _, err := fmt.Println(answer.BaseOffset); err != nil {
			return err
		}
	}
}

// What was acknowledged survives a SIGKILL of the process, and the broker comes back at the same address.
func TestSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	executable, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), executable)
	child.Env = append(os.Environ(), writerIn+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines, acknowledged := bufio.NewScanner(out), int64(-1)
	for lines.Scan() {
		acknowledged, err = strconv.ParseInt(lines.Text(), 10, 64)
		require.NoError(t, err)
		if acknowledged == 50 {
			// Its directory is taken, but who only wants to connect is led to it.
			_, err := broker.Start(dir)
			require.ErrorContains(t, err, "in use by another process")
			address, stop, err := broker.Connect(dir)
			require.NoError(t, err)
			require.EqualValues(t, acknowledged+1, min(end(t, address), acknowledged+1))
			require.NoError(t, stop())
		}
		if acknowledged == 200 {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
	require.GreaterOrEqual(t, acknowledged, int64(200))
	before, err := os.ReadFile(dir + "/broker.addr")
	require.NoError(t, err)

	address, stop, err := broker.Connect(dir)
	require.NoError(t, err)
	require.Equal(t, string(before), address+"\n")
	require.Greater(t, end(t, address), acknowledged)
	require.NoError(t, stop())
}

func end(t *testing.T, address string) int64 {
	t.Helper()
	answer, err := connect(t, address).ListOffsets(t.Context(), &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{"x": {kafkago.LastOffsetOf(0)}},
	})
	require.NoError(t, err)
	require.Len(t, answer.Topics["x"], 1)
	return answer.Topics["x"][0].LastOffset
}

func TestInMemory(t *testing.T) {
	a, err := broker.Start("")
	require.NoError(t, err)
	b, err := broker.Start("")
	require.NoError(t, err)
	require.NotEqual(t, a.Address(), b.Address())
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}
