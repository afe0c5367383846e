package operate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// wellStatus is that of a migration that needs nobody.
func wellStatus(at time.Time) *Status {
	one := func(process string) []Member { return []Member{{Process: process, Partitions: map[string]int{}}} }
	return &Status{
		Name: "orders", Phase: checkpoint.Streaming, From: apply.FromStream, At: at, Generation: 1, Rows: Done{Done: 5, Total: 5},
		Capture:     &Capture{Shards: 1, Reading: 1, BehindSeconds: new(2.0), RetentionLeftSeconds: new((retention - 2*time.Second).Seconds())},
		Members:     map[string][]Member{"orders": one("p"), "orders.capture": one("p"), "orders.snapshot": {}},
		Unowned:     map[string][]string{"orders": {}, "orders.capture": {}, "orders.snapshot": {}},
		DeadLetters: DeadLetters{Reasons: map[events.Reason]int64{}},
	}
}

func TestVerdict(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	failed := func(process string, roles ...string) Worker {
		return Worker{
			Process: process, Roles: roles, Started: at.Add(-2 * time.Hour), Confirmed: at.Add(-time.Hour), Ended: at.Add(-time.Hour),
			Error: &checkpoint.WorkerError{Text: "access denied", Class: "fatal"},
		}
	}
	behind := func(s *Status, by time.Duration) {
		s.Capture.BehindSeconds, s.Capture.RetentionLeftSeconds = new(by.Seconds()), new((retention - by).Seconds())
	}
	for name, c := range map[string]struct {
		change func(*Status)
		level  Level
		says   string
	}{
		"nothing":                 {func(*Status) {}, Well, ""},
		"lags":                    {func(s *Status) { s.LiveLag, s.SnapshotLag = 1000, 1000 }, Well, ""},
		"a gap":                   {func(s *Status) { s.Capture.Gaps = []string{"lost"} }, Act, "the stream has a gap: lost"},
		"a partition has stopped": {func(s *Status) { s.Stopped = []string{"orders.live/1 at 5: gone"} }, Act, "orders.live/1 at 5: gone"},
		"behind is unknown":       {func(s *Status) { s.Capture.BehindSeconds, s.Capture.Unknown = nil, "why" }, Look, "unknown: why"},
		"a little behind":         {func(s *Status) { behind(s, 4*time.Minute) }, Well, ""},
		"behind":                  {func(s *Status) { behind(s, 6*time.Minute) }, Look, "capture is 6m0s behind"},
		"far behind":              {func(s *Status) { behind(s, 13*time.Hour) }, Look, "in 11h0m0s"},
		"the stream forgets soon": {func(s *Status) { behind(s, 19*time.Hour) }, Act, "in 5h0m0s"},
		"nobody captures":         {func(s *Status) { s.Members["orders.capture"] = nil }, Act, "nobody captures"},
		"nobody needs to capture": {func(s *Status) { s.Members["orders.capture"], s.Capture, s.From = nil, nil, apply.FromApp }, Well, ""},
		"nobody applies":          {func(s *Status) { s.Members["orders"] = nil }, Act, "nobody applies"},
		"nobody needs to apply": {func(s *Status) {
			s.Members["orders"], s.Members["orders.capture"], s.Capture, s.From = nil, nil, nil, apply.FromNone
		}, Well, ""},
		"nobody applies the rest":       {func(s *Status) { s.Members["orders"], s.Capture, s.From, s.SnapshotLag = nil, nil, apply.FromNone, 1 }, Act, "nobody applies"},
		"nobody copies":                 {func(s *Status) { s.Phase = checkpoint.Copying }, Act, "nobody reads the old table"},
		"nobody searches":               {func(s *Status) { s.Phase, s.Marking = checkpoint.Marking, &Marking{} }, Act, "nobody reads the old table"},
		"a part without an owner":       {func(s *Status) { s.Unowned["orders.capture"] = []string{"orders.work/3"} }, Look, "no member of group orders.capture holds orders.work/3"},
		"many parts without an owner":   {func(s *Status) { s.Unowned["orders"] = []string{"1", "2", "3", "4", "5", "6", "7"} }, Look, "holds 1, 2, 3, 4, 5 and 2 more"},
		"a worker failed, others go on": {func(s *Status) { s.Workers = []Worker{failed("x", "apply")} }, Look, "worker x (apply) ended at"},
		"a worker failed, none is left": {func(s *Status) { s.Workers, s.Members["orders"] = []Worker{failed("x", "apply")}, nil }, Act, "nobody applies; the last one, x, ended at 2023-11-14T21:13:20Z with: access denied"},
		"a worker failed long ago":      {func(s *Status) { s.Workers, s.At = []Worker{failed("x", "apply")}, at.Add(24*time.Hour) }, Well, ""},
		"a worker failed, and was replaced": {func(s *Status) {
			s.Workers = []Worker{{Process: "p", Roles: []string{"capture", "apply"}, Started: at.Add(-time.Minute), Confirmed: at}, failed("x", "apply")}
		}, Well, ""},
		"a worker failed beside older ones": {func(s *Status) {
			s.Workers = []Worker{{Process: "p", Roles: []string{"capture", "apply"}, Started: at.Add(-90 * time.Minute), Confirmed: at}, failed("x", "apply")}
		}, Look, "worker x"},
		"a failed worker of a role that is done": {func(s *Status) { s.Workers = []Worker{failed("x", "snapshot")} }, Well, ""},
		"dead letters":                           {func(s *Status) { s.DeadLetters.Records = 2 }, Look, "2 records could not be applied"},
		"rows that were kept":                    {func(s *Status) { s.Marking = &Marking{Done: true, Kept: 2} }, Look, "2 rows are as they were"},
		"items expire":                           {func(s *Status) { s.Expiry = Expiry{Status: "ENABLED", Attribute: "until", Removes: true} }, Act, "is ENABLED (attribute \"until\")"},
		"whether items expire nobody may know":   {func(s *Status) { s.Expiry = Expiry{Unknown: "not permitted", Refused: true} }, Well, ""},
		"whether items expire is unknown":        {func(s *Status) { s.Expiry = Expiry{Unknown: "no answer"} }, Look, "no answer"},
		"topics of others":                       {func(s *Status) { s.TopicProblems, s.TopicsRefused = []string{"another id"}, true }, Act, "another id"},
		"unknown topics":                         {func(s *Status) { s.TopicProblems = []string{"no answer"} }, Look, "not all is known of the topics: no answer"},
		"it was not read":                        {func(s *Status) { s.Unread = &Unread{Since: at, Error: "no answer"} }, Look, "no answer"},
		"the gravest comes first": {func(s *Status) {
			s.DeadLetters.Records, s.Members["orders"] = 2, nil
		}, Act, "act: nobody applies\nlook: 2 records"},
	} {
		t.Run(name, func(t *testing.T) {
			s := wellStatus(at)
			c.change(s)
			v := judge(s)
			require.NotNil(t, v.Reasons)
			says(t, v, c.level, c.says)
			require.Equal(t, c.level == Well, len(v.Reasons) == 0)
		})
	}
}

func TestDeadLettersInWords(t *testing.T) {
	require.Equal(t, "0 records", DeadLetters{}.String())
	require.Equal(t, "at least 5 records (3 too-large, 1 misplaced, 1 refused)", DeadLetters{
		Records: 5, AtLeast: true, Reasons: map[events.Reason]int64{events.Refused: 1, events.TooLarge: 3, events.Misplaced: 1},
	}.String())
}
