package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
)

var (
	seedFlag     = flag.Uint64("seed", 0, "the seed that TestSeed plays, with its story")
	firstFlag    = flag.Uint64("first", 1, "the first seed of TestSeeds")
	seedsFlag    = flag.Uint64("seeds", defaultSeeds, "how many seeds TestSeeds plays")
	againFlag    = flag.Int("again", 1, "how often TestSeed plays its seed")
	requestsFlag = flag.Bool("requests", false, "stories tell every request and answer too")
)

// TestSeeds plays many seeds.
func TestSeeds(t *testing.T) {
	for seed := *firstFlag; seed < *firstFlag+*seedsFlag; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			play(t, planOf(seed))
		})
	}
}

// TestSeed plays one seed and prints its story.
func TestSeed(t *testing.T) {
	if *seedFlag == 0 {
		t.Skip("say which: -seed=1234")
	}
	for range *againFlag {
		story := play(t, planOf(*seedFlag))
		if *againFlag == 1 {
			t.Log("the story of this seed:\n" + story)
		}
	}
}

// play plays one plan in a world of its own, and returns the story.
func play(t *testing.T, p plan) (story string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p)
		w.play()
		w.close()
		story = w.story.String()
		if w.failed() {
			t.Errorf("%d promises broken; for a schedule that does it every time: make replay SEED=%d REPLAYFLAGS=--schedules=100\n%s\n\n%v",
				len(w.failures), p.seed, story, w.failures)
		}
	})
	return story
}
