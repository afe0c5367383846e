package operate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Level is how much a migration needs a person.
type Level string

// The levels, from the best to the gravest.
const (
	Well Level = "well"
	Look Level = "look" // something is unknown, or may pass, or has been lost to one record
	Act  Level = "act"  // something is lost, is about to be, or stands still until somebody acts
)

// grave orders the levels.
func (l Level) grave() int { return slices.Index([]Level{Well, Look, Act}, l) }

// Reason is why a migration is not well.
type Reason struct {
	Level Level  `json:"level"`
	What  string `json:"what"`
	Do    string `json:"do"` // what a person can do about it
}

// Verdict is the gravest of its reasons; without any it is well.
type Verdict struct {
	Level   Level    `json:"level"`
	Reasons []Reason `json:"reasons"` // the gravest first; never nil
}

// The thresholds of the verdict.
const (
	// actBelow and lookBelow are of the time left before the stream forgets what has not been captured.
	actBelow  = 6 * time.Hour
	lookBelow = 12 * time.Hour
	// behindFor is how far capture may be behind, and be well: the pause of a worker that was killed is shorter.
	behindFor = 5 * time.Minute
	// failedFor is how long the error that ended a worker is a reason.
	failedFor = 24 * time.Hour
)

// judge gives the verdict on a status. It is pure: everything that it judges is shown.
func judge(s *Status) Verdict {
	v := Verdict{Level: Well, Reasons: []Reason{}}
	for _, rule := range []func(*Status) []Reason{
		judgeUnread, judgeTopics, judgeGaps, judgeStopped, judgeRoles, judgeCapture, judgeUnowned, judgeFailures, judgeDead, judgeMarking, judgeExpiry,
	} {
		v.Reasons = append(v.Reasons, rule(s)...)
	}
	for i := range v.Reasons { // a reason is a line, whatever an error has to say
		v.Reasons[i].What = strings.Join(strings.FieldsFunc(v.Reasons[i].What, func(c rune) bool { return c == '\n' }), "; ")
	}
	slices.SortStableFunc(v.Reasons, func(a, b Reason) int { return cmp.Compare(b.Level.grave(), a.Level.grave()) })
	if len(v.Reasons) > 0 {
		v.Level = v.Reasons[0].Level
	}
	return v
}

func judgeUnread(s *Status) []Reason {
	if s.Unread == nil {
		return nil
	}
	return []Reason{{
		Level: Look, What: fmt.Sprintf("the migration could not be read since %s: %s; what is shown is from %s",
			clock(s.Unread.Since), s.Unread.Error, clock(s.At)),
		Do: "check the connection to Kafka from here; the workers may well have theirs",
	}}
}

// judgeTopics takes what is unknown of the topics for a reason to look: a setting that loses rows may be behind it.
func judgeTopics(s *Status) (reasons []Reason) {
	for i, problem := range s.TopicProblems {
		r := Reason{Level: Look, What: "not all is known of the topics: " + problem, Do: "let these credentials read the topics' settings, or see to it by other means"}
		if i == 0 && s.TopicsRefused {
			r = Reason{Level: Act, What: "the topics are not as they must be: " + problem, Do: "do what it says; no worker goes on before"}
		}
		reasons = append(reasons, r)
	}
	return reasons
}

func judgeGaps(s *Status) (reasons []Reason) {
	if s.Capture == nil {
		return nil
	}
	do := "start a streamer, which writes the gap down and skips nothing; then begin a new generation: crossfade restart"
	if s.Restart != "" {
		do = "capture has stopped there and nothing was skipped; begin a new generation with: " + s.Restart
	}
	for _, gap := range s.Capture.Gaps {
		reasons = append(reasons, Reason{Level: Act, What: "the stream has a gap: " + gap, Do: do})
	}
	for _, stopped := range s.Capture.Stopped {
		reasons = append(reasons, Reason{
			Level: Act, What: "a shard is not captured any more: " + stopped,
			Do: "see the log of its streamer; the shard is tried again, and must get past this before the stream forgets what follows",
		})
	}
	return reasons
}

func judgeStopped(s *Status) (reasons []Reason) {
	for _, partition := range s.Stopped {
		reasons = append(reasons, Reason{
			Level: Act, What: "a partition is not applied any more: " + partition,
			Do: "do what it says; the other partitions go on, and a streamer that is started again tries this one unless it has lost records",
		})
	}
	return reasons
}

// neededRoles are those that somebody must have for the migration to go on.
func neededRoles(s *Status) (roles []assembly.Role) {
	if s.Phase == checkpoint.Copying || s.Phase == checkpoint.Marking {
		roles = append(roles, assembly.SnapshotRole)
	}
	if s.From == apply.FromStream {
		roles = append(roles, assembly.CaptureRole)
	}
	if s.From != apply.FromNone || s.Phase != checkpoint.Streaming || s.SnapshotLag > 0 {
		roles = append(roles, assembly.ApplyRole)
	}
	return roles
}

func judgeRoles(s *Status) (reasons []Reason) {
	for _, role := range neededRoles(s) {
		if len(s.Members[role.Group(s.Name)]) > 0 {
			continue
		}
		what := map[assembly.Role]string{
			assembly.SnapshotRole: "nobody reads the old table", assembly.CaptureRole: "nobody captures the old table's changes", assembly.ApplyRole: "nobody applies",
		}[role]
		reasons = append(reasons, Reason{Level: Act, What: what + lastWords(s, role), Do: "start a " + map[assembly.Role]string{
			assembly.SnapshotRole: "snapshot worker", assembly.CaptureRole: "streamer (without --only, or with --only capture)", assembly.ApplyRole: "streamer (without --only, or with --only apply)",
		}[role]})
	}
	return reasons
}

// lastWords tell what became of the last worker of a role.
func lastWords(s *Status, role assembly.Role) string {
	for _, w := range s.Workers {
		switch {
		case !slices.Contains(w.Roles, string(role)):
			continue // of another role
		case w.Error != nil:
			return fmt.Sprintf("; the last one, %s, ended at %s with: %s", w.Process, clock(w.Ended), w.Error.Text)
		case !w.Ended.IsZero():
			return fmt.Sprintf("; the last one, %s, was asked to end at %s, or had nothing left to do", w.Process, clock(w.Ended))
		}
		return fmt.Sprintf("; the last one, %s, was heard of at %s and has not said that it ended", w.Process, clock(w.Confirmed))
	}
	return ""
}

func judgeCapture(s *Status) []Reason {
	c := s.Capture
	switch {
	case c == nil || len(c.Gaps) > 0:
		return nil
	case c.BehindSeconds == nil || c.RetentionLeftSeconds == nil:
		return []Reason{{
			Level: Look, What: "how far capture is behind is unknown: " + c.Unknown,
			Do: "see whether capture runs; the stream keeps what has not been captured for 24 hours, and no longer",
		}}
	}
	behind, left := seconds(*c.BehindSeconds), seconds(*c.RetentionLeftSeconds)
	var level Level
	switch {
	case left < actBelow:
		level = Act
	case left < lookBelow, behind > behindFor:
		level = Look
	default:
		return nil
	}
	what := fmt.Sprintf("capture is %s behind; the stream begins to forget what has not been captured in %s", behind.Round(time.Second), left.Round(time.Second))
	if c.Unbegun > 0 {
		what += fmt.Sprintf("; nobody has begun to read %d of its shards", c.Unbegun)
	}
	return []Reason{{Level: level, What: what, Do: "see whether streamers run and what their logs say; start more of them if they are busy"}}
}

// judgeUnowned tells of work that nobody holds although there are members; without members judgeRoles does.
func judgeUnowned(s *Status) (reasons []Reason) {
	for _, group := range slices.Sorted(maps.Keys(s.Unowned)) {
		if unowned := s.Unowned[group]; len(unowned) > 0 && len(s.Members[group]) > 0 {
			reasons = append(reasons, Reason{
				Level: Look, What: fmt.Sprintf("no member of group %s holds %s", group, some(unowned)),
				Do: "wait a moment: members that come or go share the partitions anew; look again if it stays",
			})
		}
	}
	return reasons
}

// judgeFailures tells of workers that an error ended lately, unless another one of the same roles has started since. Where
// nobody has the role any more, judgeRoles does.
func judgeFailures(s *Status) (reasons []Reason) {
	for _, w := range s.Workers {
		if w.Error == nil || s.At.Sub(w.Ended) > failedFor || !w.missed(s) {
			continue
		}
		reasons = append(reasons, Reason{
			Level: Look, What: fmt.Sprintf("worker %s (%s) ended at %s with: %s", w.Process, strings.Join(w.Roles, ", "), clock(w.Ended), w.Error.Text),
			Do: "others do its work; start it again when the cause is mended",
		})
	}
	return reasons
}

// missed reports whether a worker has a role that is needed, that others have, and that nobody has taken on since it ended.
func (w Worker) missed(s *Status) bool {
	for _, role := range neededRoles(s) {
		if !slices.Contains(w.Roles, string(role)) {
			continue // no role of this one
		}
		replaced := slices.ContainsFunc(s.Workers, func(o Worker) bool {
			return o.Started.After(w.Ended) && o.Error == nil && slices.Contains(o.Roles, string(role))
		})
		if !replaced && len(s.Members[role.Group(s.Name)]) > 0 {
			return true
		}
	}
	return false
}

// heard is when the worker last said something.
func (w Worker) heard() time.Time {
	if w.Ended.After(w.Confirmed) {
		return w.Ended
	}
	return w.Confirmed
}

func judgeDead(s *Status) []Reason {
	if s.DeadLetters.Records == 0 {
		return nil
	}
	return []Reason{{
		Level: Look, What: s.DeadLetters.String() + " could not be applied and are in " + s.Name + ".dlq",
		Do: "read their headers dlq-reason and dlq-detail: these rows are not in the new table as they should be",
	}}
}

// String tells how many there are, and of which reasons.
func (d DeadLetters) String() string {
	reasons := slices.SortedFunc(maps.Keys(d.Reasons), func(a, b events.Reason) int {
		return cmp.Or(cmp.Compare(d.Reasons[b], d.Reasons[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprintf("%d %s", d.Reasons[reason], reason)
	}
	text := fmt.Sprintf("%d records", d.Records)
	if d.AtLeast {
		text = "at least " + text
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

func judgeMarking(s *Status) []Reason {
	if s.Marking == nil || !s.Marking.Done || s.Marking.Kept == 0 {
		return nil
	}
	return []Reason{{
		Level: Look, What: fmt.Sprintf("%d rows are as they were before the restart, although the old table has them", s.Marking.Kept),
		Do: "see the dlq: their snapshot records could not be applied",
	}}
}

func judgeExpiry(s *Status) []Reason {
	switch e := s.Expiry; {
	case e.Removes:
		return []Reason{{
			Level: Act, What: fmt.Sprintf("the time to live of the new table is %s (attribute %q): it removes rows with their versions, and markers, and a record that comes late would bring back an older row", e.Status, e.Attribute),
			Do: "disable it until the migration is complete; DynamoDB takes up to an hour for that",
		}}
	case e.Unknown != "" && !e.Refused:
		return []Reason{{
			Level: Look, What: "whether items of the new table expire is unknown: " + e.Unknown, Do: "see that the new table answers from here",
		}}
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// some is the first few of a list.
func some(list []string) string {
	const shown = 5
	text := strings.Join(list[:min(len(list), shown)], ", ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
