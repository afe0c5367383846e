package sim

import (
	"context"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessions ends the sessions that kfake forgets. Kafka gives a member up that is silent for its session timeout from
// the moment when a join is complete; kfake begins to count only with the member's own SyncGroup, so that one who
// dies, or loses its connection, between the two keeps its partitions for ever.
type sessions struct {
	world *world
	stop  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	heard map[string]time.Time // by member
}

// silence is how long a member may say nothing: more than the longest session timeout.
const silence = 12 * time.Second

func watchSessions(w *world) *sessions {
	s := &sessions{world: w, stop: make(chan struct{}), ended: make(chan struct{}), heard: map[string]time.Time{}}
	w.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Heartbeat, kmsg.SyncGroup}, Count: -1, Observe: true, When: func(r kmsg.Request) bool {
			switch r := r.(type) {
			case *kmsg.HeartbeatRequest:
				s.hear(r.MemberID)
			case *kmsg.SyncGroupRequest:
				s.hear(r.MemberID)
			}
			return false
		},
	})
	return s
}

func (s *sessions) hear(member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[member] = time.Now()
}

func (s *sessions) begin() {
	client := &kafkago.Client{Addr: kafkago.TCP(s.world.cluster.ListenAddrs()...), Timeout: 5 * time.Second, Transport: &kafkago.Transport{Dial: s.world.wires.DialContext}}
	go func() {
		defer close(s.ended)
		defer client.Transport.(*kafkago.Transport).CloseIdleConnections()
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(3 * time.Second):
			}
			for _, group := range []string{migrationName, migrationName + ".capture", migrationName + ".snapshot"} {
				s.expire(client, group)
			}
		}
	}()
}

func (s *sessions) end() {
	close(s.stop)
	<-s.ended
}

// expire lets the silent members of a group leave.
func (s *sessions) expire(client *kafkago.Client, group string) {
	info := s.world.cluster.GroupInfo(group)
	if info == nil || info.State != "Stable" {
		return
	}
	for _, m := range info.Members {
		if s.silentFor(m.MemberID) > silence {
			s.world.story.tell("broker", "gives up %s of group %s, which is silent", m.MemberID[:min(len(m.MemberID), 16)], group)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_, _ = client.LeaveGroup(ctx, &kafkago.LeaveGroupRequest{GroupID: group, Members: []kafkago.LeaveGroupRequestMember{{ID: m.MemberID}}}) // or the next time
			cancel()
		}
	}
}

// silentFor is how long nothing has been heard of a member; one never heard of begins now.
func (s *sessions) silentFor(member string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[member].IsZero() {
		s.heard[member] = time.Now()
	}
	return time.Since(s.heard[member])
}
