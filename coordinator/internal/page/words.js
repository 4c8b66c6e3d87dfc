// The meanings of outcomes and columns, and of throttles once their table is there (throttles.js).

export const words = {
  "hit": "The thumbnail was stored already.",
  "rendered": "A renderer drew the thumbnail for this request.",
  "shared": "The request waited for a render that another edge asked for.",
  "nearest": "A throttle refused, and the edge served another size of the same original (edge.nearest).",
  "original": "The edge served an object of the store unchanged.",
  "preflight": "A browser asked whether another site's page may use a thumbnail (CORS).",
  "bad-method": "The method is neither GET nor HEAD.",
  "redirected": "The edge redirected the client to a better URL.",
  "client-left": "The client left before its answer.",
  "bad-url": "The URL asks for something impossible.",
  "no-such-url": "The URL has no known grammar.",
  "odd-size": "The size is not a standard size.",
  "forbidden": "The URL has no signature, or a wrong one.",
  "private": "The container is private, and the request had no secret.",
  "blocked": "A directive blocks the client's network.",
  "absent": "The original does not exist.",
  "failing": "The original failed too often lately; see Failing originals.",
  "lane-full": "The lane had more work than its renderers can do in time; see Lanes.",
  "no-renderer": "No renderer began the job in time.",
  "lost": "Several renderers vanished during the job.",
  "unsupported": "No engine reads this type.",
  "undecodable": "The original is damaged, or has a type other than its name says.",
  "too-large": "The original exceeds a bound on bytes or pixels.",
  "overran": "The render exceeded its time.",
  "worker-killed": "The original killed every worker that tried it.",
  "original-store": "The store of originals failed.",
  "thumbnail-store": "The store of thumbnails failed.",
  "unavailable": "The queue failed, or an edge had no room.",
  "deadline": "The request's time was over.",
  "internal": "A defect, or a full disk: see the log.",
  "slots": "Renders that can run at once. The lanes expensive and bulk each use at most half of a renderer's slots.",
  "jobs queued": "Jobs of the lane that wait in NATS or are in renderers' hands.",
  "admitted": "Requests that hold a place of the lane's pool. Their job waits in the queue, runs, or is being stored.",
  "waiting": "Requests that stand in line for a place at the coordinator.",
  "use": "Share of the time of a renderer's slots that renders used in the last second.",
  "workers killed": "Worker processes that died during a render or reached a limit (time, cpu, file, scratch, died), since the renderer's start.",
  "renderers wanted": "Number of renderers of the fleet's mean size that the requests of the last minutes keep busy for 70 % of their time. Refused requests count too; one client counts for at most a quarter of the fleet. The number rises within about a minute and falls after five.",
  "lease": "The places in pools that one admitted request holds.",
  "shadow": "A throttle in shadow mode counts refusals, and refuses nothing.",
  "directive": "An operator's decision for a time. A directive reaches all edges and coordinators, and outlives their restarts while one of them still knows it.",
};

// word makes a part of a cell that links a name to its meaning.
export function word(name, text = name) {
  return name in words ? { text, href: "#/help/" + encodeURIComponent(name) } : { text };
}
