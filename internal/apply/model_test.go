package apply

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// chaos fills a world with random records and lets random things go wrong.
type chaos struct {
	*world
	random   *rand.Rand // the test's own
	trouble  *rand.Rand // under the world's lock
	position uint64
	model    map[string]row // the highest version of each key, and nothing else
	zombies  bool           // what is appended to the snapshot from here on must not be applied
}

func (c *chaos) note(name string, e events.Event) {
	if have, ok := c.model[name]; !ok || e.Version.String() > have.version {
		c.model[name] = row{e.Version.String(), e.Op, string(e.Item.Raw)}
	}
}

// tooLarge is what the table never takes.
func tooLarge(e events.Event) bool { return len(e.Item.Raw) > 200 }

// fill appends n records to any of the partitions.
func (c *chaos) fill(n int) {
	var sent []events.Record
	for range n {
		name := fmt.Sprintf("k%d", c.random.IntN(7))
		switch dice := c.random.IntN(20); {
		case dice < 1:
			c.append(c.anywhere(), events.Record{Key: []byte("garbage"), Value: []byte("?")})
		case dice < 2:
			r := read(name, "x")
			r.Value = fmt.Appendf(nil, `{"pk":{"S":%q},"crossfade_version":{"S":"mine"}}`, name)
			c.append(snapshotAt(c.random.IntN(2)), r)
		case dice < 7:
			e := events.Event{Key: keyOf(name), Op: events.Write, Version: events.Version{Generation: 1}, Item: item(name, "read")}
			if !c.zombies {
				c.note(name, e)
			}
			c.append(snapshotAt(c.random.IntN(2)), events.Encode(e))
		case dice < 8 && len(sent) > 0:
			c.append(liveAt(c.random.IntN(2)), sent[c.random.IntN(len(sent))]) // published twice
		default:
			e := c.change(name)
			if !tooLarge(e) {
				c.note(name, e)
			}
			sent = append(sent, events.Encode(e))
			c.append(liveAt(c.random.IntN(2)), sent[len(sent)-1])
		}
		if c.random.IntN(30) == 0 {
			c.hole(c.anywhere(), 1+c.random.Int64N(3))
		}
	}
}

func (c *chaos) change(name string) events.Event {
	c.position++
	e := events.Event{Key: keyOf(name), Version: liveVersion(c.position)}
	switch c.random.IntN(6) {
	case 0:
		e.Op = events.Delete
	case 1:
		e.Op = events.Tombstone
	case 2:
		e.Op, e.Item = events.Write, item(name, fmt.Sprintf("%0200d", c.position))
	default:
		e.Op, e.Item = events.Write, item(name, fmt.Sprint(c.position))
	}
	return e
}

func (c *chaos) anywhere() events.TopicPartition {
	if c.random.IntN(2) == 0 {
		return snapshotAt(c.random.IntN(2))
	}
	return liveAt(c.random.IntN(2))
}

// breaks sets what goes wrong with writes and letters.
func (c *chaos) breaks(percent int) {
	c.latency = func() time.Duration {
		c.mu.Lock()
		defer c.mu.Unlock()
		return time.Duration(c.trouble.IntN(40)) * time.Millisecond
	}
	c.fault = func(w call) (bool, error) {
		if tooLarge(w.event) {
			return false, errTooLarge
		}
		if c.trouble.IntN(100) >= percent {
			return true, nil
		}
		switch c.trouble.IntN(5) {
		case 0:
			return true, errTimeout // the answer is lost
		case 1: // it lands later
			time.AfterFunc(time.Duration(c.trouble.IntN(5000))*time.Millisecond, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.world.change(w)
			})
			return false, errTimeout
		case 2:
			return false, errThrottled
		case 3:
			return false, errRange
		default:
			return false, errTimeout
		}
	}
	c.letterFault = func(context.Context, events.Record) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.trouble.IntN(100) < percent {
			return &fault.Error{Class: fault.Retry, What: "write to the dlq"}
		}
		return nil
	}
}

// close ends the snapshot where it is; what comes after is a zombie's.
func (c *chaos) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zombies = true
	c.state.Closed = &checkpoint.Closed{Generation: 1, Ends: map[int]int64{0: c.ends[snapshotAt(0)], 1: c.ends[snapshotAt(1)]}}
}

// live lets workers run and die while records arrive, until everything is committed.
func (c *chaos) live() {
	var past []map[events.TopicPartition]Progress
	for range c.random.IntN(6) {
		r := c.run(func(cfg *Config) { cfg.InFlight = 1 + c.random.IntN(8) })
		time.Sleep(time.Duration(c.random.IntN(3000)) * time.Millisecond)
		c.fill(c.random.IntN(20))
		time.Sleep(time.Duration(c.random.IntN(1000)) * time.Millisecond)
		hard := c.random.IntN(2) == 0
		if hard { // nothing that it does from here on is committed
			c.mu.Lock()
			c.commitErr = ErrFenced
			c.mu.Unlock()
		}
		require.NoError(c.t, r.stop())
		c.commitErr = nil
		past = append(past, c.assigned())
		if c.random.IntN(4) == 0 { // offsets are reset to an earlier commit
			c.progress = past[c.random.IntN(len(past))]
		}
	}
	if c.random.IntN(2) == 0 {
		c.close()
		c.fill(20)
	}
	c.run().finish()
}

func TestModel(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := &chaos{world: newWorld(t), model: map[string]row{}}
			c.random, c.trouble = rand.New(rand.NewPCG(uint64(seed), 0)), rand.New(rand.NewPCG(uint64(seed), 1))
			for p := range 2 {
				c.logs[snapshotAt(p)], c.logs[liveAt(p)] = nil, nil
			}
			c.breaks(c.random.IntN(60))
			c.fill(20 + c.random.IntN(100))
			c.live()
			time.Sleep(10 * time.Second) // writes that land late
			table := map[string]row{}
			for name := range c.model {
				if have, ok := c.table[string(keyOf(name))]; ok {
					table[name] = have
				}
			}
			require.Equal(t, c.model, table, "seed %d", seed)
			require.Len(t, c.table, len(table), "seed %d: rows that nobody wrote", seed)
			records := int64(0)
			for _, log := range c.logs {
				records += int64(len(log))
			}
			require.Equal(t, records, c.counts().Total(), "seed %d", seed)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}
