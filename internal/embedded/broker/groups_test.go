package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOverdue: whole groups are watched by the simulation; here is when who has to leave.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Groups{heard: map[string]time.Time{}, known: map[string]time.Time{}}
		look := func(state string, members ...string) []string {
			info, present := &kfake.GroupInfo{Group: "orders", State: state}, map[string]bool{}
			for _, m := range members {
				info.Members, present[m] = append(info.Members, kfake.GroupMember{MemberID: m}), true
			}
			return g.overdue(map[string]*kfake.GroupInfo{"orders": info}, present)["orders"]
		}
		beat := func(member string) { g.hear(&kmsg.HeartbeatRequest{Group: "orders", MemberID: member}) }
		g.hear(&kmsg.JoinGroupRequest{Group: "orders"})
		require.Equal(t, []string{"orders"}, g.names())

		require.Empty(t, look("Stable", "a", "b"), "one never heard of begins now")
		time.Sleep(silence)
		beat("a")
		require.Empty(t, look("Stable", "a", "b"), "not yet")
		time.Sleep(time.Second)
		require.Equal(t, []string{"b"}, look("Stable", "a", "b"), "silent for too long")

		require.Empty(t, look("PreparingRebalance", "a"))
		for range int(joinLimit / time.Second) {
			time.Sleep(time.Second)
			beat("a")
			require.Empty(t, look("CompletingRebalance", "a"), "a join may take its time")
		}
		time.Sleep(time.Second)
		beat("a")
		require.Equal(t, []string{"a"}, look("PreparingRebalance", "a"), "and no more, whoever speaks")
		require.Empty(t, look("PreparingRebalance", "a"), "the next join has its own time")

		time.Sleep(silence + time.Second)
		require.Empty(t, look("Empty"))
		require.Empty(t, g.heard, "those who went are forgotten")
	})
}
