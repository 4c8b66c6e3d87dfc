package coordinator

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/shared/lease"
)

const (
	benchRounds = 7
	benchTime   = 700 * time.Millisecond
	serverCore  = 0
	clientCore  = 1
)

// BenchmarkAgainstPoolcounterd compares our server with the original in alternating rounds, each on one
// core and the generator on another. It measures pairs of acquire and release in PoolCounter's
// protocol, and requests for three pools, which the original needs three ACQ4ME and three RELEASE for.
func BenchmarkAgainstPoolcounterd(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("the benchmark needs two cores")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.LockOSThread()
	pin(b, clientCore)
	original, ours := startOriginal(b), startOurs(b)
	fmt.Printf("%-44s %5s %10s %10s %7s\n", "", "conns", "per second", "p99 µs", "CPU µs")
	var classic, native []float64
	for range b.N {
		for _, n := range []int{16, 64, 256} {
			a := compare(b, n, original, ours,
				task{"acquire+release, original", func(s server) load { return newClassic(b, s, n, 1) }},
				task{"acquire+release, ours", func(s server) load { return newClassic(b, s, n, 1) }})
			classic = append(classic, a)
			c := compare(b, n, original, ours,
				task{"three pools, original, one after the other", func(s server) load { return newClassic(b, s, n, 3) }},
				task{"three pools, ours, native", func(s server) load { return newNative(b, s, n) }})
			native = append(native, c)
		}
	}
	fmt.Printf("geometric means, ours over the original: PoolCounter's protocol %.2f, three pools %.1f\n", geomean(classic), geomean(native))
	b.ReportMetric(geomean(classic), "classic-ratio")
	b.ReportMetric(geomean(native), "native-ratio")
}

// BenchmarkLeases reports the leases that a core of processor time grants and takes back, at several numbers of
// connected edges. Each edge beats, sends its status, and has two requests for three pools and a thumbnail under way.
func BenchmarkLeases(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("the benchmark needs two cores")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.LockOSThread()
	pin(b, clientCore)
	for _, edges := range []int{4, 100, 1000} {
		b.Run(fmt.Sprintf("edges=%d", edges), func(b *testing.B) {
			s := startOurs(b)
			l := newNativeOver(b, s, edges, 2*edges)
			defer l.close()
			l.beats = true
			l.run(benchTime)
			var rates, each []float64
			for b.Loop() {
				for range benchRounds {
					before, began := s.cpu(), time.Now()
					done := len(l.run(benchTime))
					rates = append(rates, float64(done)/time.Since(began).Seconds())
					each = append(each, float64(done)/(s.cpu()-before).Seconds())
				}
			}
			b.ReportMetric(median(each), "leases/core-s")
			b.ReportMetric(median(rates), "leases/s")
			b.ReportMetric(float64(processes.PSS(s.pid))/(1<<20), "MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func geomean(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

func pin(b *testing.B, core int) {
	b.Helper()
	var set, before unix.CPUSet
	_ = unix.SchedGetaffinity(0, &before)
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.SchedSetaffinity(0, &before) })
}

// server is a process on one core.
type server struct {
	address string
	pid     int
}

// cpu returns the processor time of the process so far.
func (s server) cpu() time.Duration {
	own, _ := processes.Time(s.pid)
	return own
}

func onCore(b *testing.B, stdin *os.File, name string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(serverCore), name}, args...)...)
	cmd.Stdin, cmd.Stderr = stdin, os.Stderr
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func startOriginal(b *testing.B) server {
	b.Helper()
	path, err := exec.LookPath("poolcounterd")
	if err != nil {
		b.Skip("poolcounterd is not installed: run `make deps`")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	cmd := onCore(b, file, path)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	_, _ = listener.Close(), file.Close()
	return server{address, cmd.Process.Pid}
}

func startOurs(b *testing.B) server {
	b.Helper()
	path := filepath.Join(b.TempDir(), "coordinator")
	if out, err := exec.Command("go", "build", "-o", path, "./cmd/coordinator").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	cmd := onCore(b, nil, path, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--print-addresses")
	cmd.Stderr = nil
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(line, `"coordinator":"`)
	address, _, _ := strings.Cut(rest, `"`)
	return server{address, cmd.Process.Pid}
}

// load generates requests: run answers the server for a time, and returns the duration of each finished
// request.
type load interface {
	run(time.Duration) (done []time.Duration)
	close()
}

type task struct {
	name string
	make func(server) load
}

// side is a server with its task and its measurements of each round.
type side struct {
	server          server
	task            task
	rates, p99, cpu []float64
}

// compare runs both sides in turns, prints the medians, and returns the ratio of the rates.
func compare(b *testing.B, n int, original, ours server, theirs, mine task) float64 {
	b.Helper()
	sides := []side{{server: original, task: theirs}, {server: ours, task: mine}}
	for range benchRounds {
		for i := range sides {
			s := &sides[i]
			l := s.task.make(s.server)
			l.run(benchTime / 10)
			before := s.server.cpu()
			began := time.Now()
			done := l.run(benchTime)
			took, used := time.Since(began), s.server.cpu()-before
			l.close()
			slices.Sort(done)
			s.rates = append(s.rates, float64(len(done))/took.Seconds())
			s.p99 = append(s.p99, float64(done[len(done)*99/100].Microseconds()))
			s.cpu = append(s.cpu, float64(used.Microseconds())/float64(len(done)))
		}
	}
	for i := range sides {
		s := &sides[i]
		fmt.Printf("%-44s %5d %10.0f %10.0f %7.1f\n", s.task.name, n, median(s.rates), median(s.p99), median(s.cpu))
	}
	ratio := median(sides[1].rates) / median(sides[0].rates)
	fmt.Printf("%-44s %5d %10.2f\n", "  ours over the original", n, ratio)
	return ratio
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// epoll is the generator's own loop: the generator must be faster than the servers.
type epoll struct {
	b      *testing.B
	fd     int
	events []unix.EpollEvent
	buffer []byte
	conns  []int
}

func newEpoll(b *testing.B) *epoll {
	fd, err := unix.EpollCreate1(0)
	if err != nil {
		b.Fatal(err)
	}
	return &epoll{b: b, fd: fd, events: make([]unix.EpollEvent, 256), buffer: make([]byte, 256<<10)}
}

func (e *epoll) dial(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err != nil {
		e.b.Fatal(err)
	}
	e.conns = append(e.conns, fd)
	return fd
}

func (e *epoll) write(fd int, text []byte) {
	if _, err := unix.Write(fd, text); err != nil {
		e.b.Fatal(err)
	}
}

// serve passes each connection's input to heard, for a time.
func (e *epoll) serve(d time.Duration, heard func(fd int, text []byte)) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := unix.EpollWait(e.fd, e.events, 100)
		if err != nil && err != unix.EINTR {
			e.b.Fatal(err)
		}
		for _, event := range e.events[:max(n, 0)] {
			fd := int(event.Fd)
			got, err := unix.Read(fd, e.buffer)
			if err != nil || got == 0 {
				e.b.Fatal("disconnected: ", err)
			}
			heard(fd, e.buffer[:got])
		}
	}
}

func (e *epoll) close() {
	for _, fd := range e.conns {
		_ = unix.Close(fd)
	}
	_ = unix.Close(e.fd)
}

// classicLoad is connections that each repeat their lines, one line after each answer.
type classicLoad struct {
	loop     *epoll
	speakers map[int]*speaker
}

type speaker struct {
	lines [][]byte
	at    int
	began time.Time
}

func newClassic(b *testing.B, s server, conns, pools int) load {
	l := classicLoad{newEpoll(b), map[int]*speaker{}}
	for i := range conns {
		sp := &speaker{}
		for p := range pools {
			sp.lines = append(sp.lines, fmt.Appendf(nil, "ACQ4ME %s:client-%d 100000 100000 4\n", []string{"ip", "original", "lane"}[p], i%(conns*(3-p))))
		}
		for range pools {
			sp.lines = append(sp.lines, []byte("RELEASE\n"))
		}
		fd := l.loop.dial(s.address)
		l.speakers[fd] = sp
		sp.began = time.Now()
		l.loop.write(fd, sp.lines[0])
	}
	return l
}

func (l classicLoad) close() { l.loop.close() }

func (l classicLoad) run(d time.Duration) (done []time.Duration) {
	l.loop.serve(d, func(fd int, _ []byte) {
		sp := l.speakers[fd]
		if sp.at++; sp.at == len(sp.lines) {
			now := time.Now()
			done = append(done, now.Sub(sp.began))
			sp.at, sp.began = 0, now
		}
		l.loop.write(fd, sp.lines[sp.at])
	})
	return done
}

// nativeLoad keeps a number of requests under way over several connections, like as many edges.
type nativeLoad struct {
	loop  *epoll
	peers map[int]*nativePeer
	ids   uint64
	beats bool // the connections beat and send their status, as edges do
	begun time.Time
	round int // of beats
}

type nativePeer struct {
	rest  []byte
	out   []byte
	began map[uint64]time.Time
	slots map[uint64]int
}

const nativeConns = 4

func newNative(b *testing.B, s server, outstanding int) load {
	return newNativeOver(b, s, nativeConns, outstanding)
}

func newNativeOver(b *testing.B, s server, conns, outstanding int) *nativeLoad {
	l := &nativeLoad{loop: newEpoll(b), peers: map[int]*nativePeer{}, begun: time.Now()}
	for c := range conns {
		fd := l.loop.dial(s.address)
		l.greet(fd, fmt.Sprintf("bench-%d-%d", c, time.Now().UnixNano()))
		p := &nativePeer{began: map[uint64]time.Time{}, slots: map[uint64]int{}}
		p.out = lease.AppendRules(p.out, []lease.Rule{{Name: "ip", Workers: 4, MaxQueue: 50}, {Name: "original", Workers: 6, MaxQueue: 100}, {Name: "lane", Workers: 100_000, MaxQueue: 100_000}})
		for slot := range outstanding / conns {
			l.addRequest(p, c*outstanding+slot)
		}
		l.peers[fd] = p
		l.send(fd, p)
	}
	return l
}

func (l *nativeLoad) greet(fd int, name string) {
	l.loop.write(fd, []byte(lease.Greeting+" "+name+" "+lease.Nonce()+"\n"))
	if n, err := unix.Read(fd, l.loop.buffer); err != nil || !strings.HasPrefix(string(l.loop.buffer[:n]), lease.Greeting) {
		l.loop.b.Fatalf("%q %v", l.loop.buffer[:n], err)
	}
	l.loop.write(fd, []byte(lease.Proof+" "+lease.NoSecret+"\n"))
	if n, err := unix.Read(fd, l.loop.buffer); err != nil || string(l.loop.buffer[:n]) != lease.Welcome+"\n" {
		l.loop.b.Fatalf("%q %v", l.loop.buffer[:n], err)
	}
}

func (l *nativeLoad) addRequest(p *nativePeer, slot int) {
	l.ids++
	client := strconv.Itoa(slot)
	p.out = lease.AppendRequest(p.out, lease.KindAcquire, lease.Request{
		ID: l.ids, Wait: 4000, Client: client, Thumbnail: l.thumbnail(client), Pools: []lease.Pool{
			{Rule: 0, Places: 1, Key: "ip:client-" + client}, {Rule: 1, Places: 1, Key: "original:client-" + client}, {Rule: 2, Places: 1, Key: "lane:standard"},
		},
	})
	p.began[l.ids], p.slots[l.ids] = time.Now(), slot
}

// thumbnail returns the thumbnail of a request of an edge; the original daemon's requests have none.
func (l *nativeLoad) thumbnail(client string) string {
	if !l.beats {
		return ""
	}
	return "thumbnail:thumbnails/" + client + "-" + strconv.FormatUint(l.ids, 10) + ".jpg"
}

func (l *nativeLoad) send(fd int, p *nativePeer) {
	l.loop.write(fd, p.out)
	p.out = p.out[:0]
}

func (l *nativeLoad) close() { l.loop.close() }

// beat sends the messages of edges without requests: a beat five times a second, and a status of a usual size once.
func (l *nativeLoad) beat() {
	if !l.beats || time.Since(l.begun) < time.Duration(l.round)*lease.Beat {
		return
	}
	l.round++
	status := fmt.Sprintf(`{"coordinator":"bench","round":%d,"filler":%q}`, l.round, strings.Repeat("x", 2000))
	for fd, p := range l.peers {
		p.out = lease.AppendBeat(p.out)
		if l.round%int(time.Second/lease.Beat) == 0 {
			p.out = lease.AppendStatus(p.out, status)
		}
		l.send(fd, p)
	}
}

func (l *nativeLoad) run(d time.Duration) (done []time.Duration) {
	l.loop.serve(d, func(fd int, text []byte) {
		l.beat()
		p := l.peers[fd]
		p.rest = append(p.rest, text...)
		for len(p.rest) >= 4 {
			size := int(p.rest[2])<<8 | int(p.rest[3])
			if len(p.rest) < 4+size {
				break
			}
			if lease.Kind(p.rest[4]) == lease.KindBeat {
				p.rest = p.rest[4+size:]
				continue
			}
			a, err := lease.ParseAnswer(lease.Kind(p.rest[4]), string(p.rest[5:4+size]))
			p.rest = p.rest[4+size:]
			if err != nil || a.Kind != lease.KindGranted {
				l.loop.b.Fatalf("%+v %v", a, err)
			}
			done = append(done, time.Since(p.began[a.ID]))
			p.out = lease.AppendRelease(p.out, a.ID, lease.Stored, "")
			slot := p.slots[a.ID]
			delete(p.began, a.ID)
			delete(p.slots, a.ID)
			l.addRequest(p, slot)
		}
		if len(p.out) > 0 {
			l.send(fd, p)
		}
	})
	return done
}
