"""One self-contained HTML page on a view: search, packages to open, a module's neighbours drawn.

Usable at ten thousand modules, because only what is looked at is drawn: the list shows opened
packages, and the picture has the chosen module in the middle, its importers left, what it
imports right (the first 40 of each; the rest in the lists below).
"""

from __future__ import annotations

import json

from entrepot.program.conditions import WHENS
from entrepot.survey.view import View

# ruff: noqa: E501 (markup and script, kept small)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Modules of @TITLE@</title>
<style>
:root{color-scheme:light dark;--line:#8886;--soft:#8882;--main:#2563eb}
body{margin:0;font:14px/1.45 system-ui,sans-serif;display:grid;grid-template-columns:22rem minmax(0,1fr);height:100vh}
nav{border-right:1px solid var(--line);overflow:auto;padding:.6rem}
main{overflow:auto;padding:.8rem 1.2rem}
input{width:100%;box-sizing:border-box;font:inherit;padding:.35rem .5rem}
ul{list-style:none;margin:0;padding-left:1rem}nav>ul{padding:0}
button{all:unset;cursor:pointer;padding:0 .2rem;border-radius:3px}
button:hover,button:focus-visible{background:var(--soft);outline:1px solid var(--main)}
button.on{background:var(--main);color:#fff}
svg{width:100%;max-width:70rem;border:1px solid var(--line);border-radius:6px}
svg text{font:12px system-ui,sans-serif;fill:currentColor;cursor:pointer}
svg path{fill:none;stroke:var(--line)}svg path.later{stroke-dasharray:4 4}
small{opacity:.7}.cols{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:2rem;overflow-wrap:anywhere}
</style>
<nav><input id="q" type="search" placeholder="find a module" aria-label="find a module"><p><small id="sum"></small></p><ul id="list"></ul></nav>
<main><h1 id="name">Modules of @TITLE@</h1><p id="about">Choose a module on the left.</p><div id="pic"></div>
<div class="cols"><section><h2>imported by</h2><ul id="in"></ul></section><section><h2>imports</h2><ul id="out"></ul></section></div></main>
<script type="application/json" id="data">@DATA@</script>
<script>
const D=JSON.parse(document.getElementById('data').textContent),N=D.names,W=D.whens,$=i=>document.getElementById(i);
const out=N.map(()=>[]),inn=N.map(()=>[]);for(const[a,b,w,l]of D.edges){out[a].push([b,w,l]);inn[b].push([a,w,l])}
const ids=new Map(N.map((n,i)=>[n,i])),kids=new Map();
N.forEach((n,i)=>{let p=n;do{const d=p.lastIndexOf('.');p=d<0?'':p.slice(0,d)}while(p&&!ids.has(p));kids.has(p)||kids.set(p,[]);kids.get(p).push(i)});
$('sum').textContent=N.length+' modules, '+D.edges.length+' arrows';
const el=(t,x,...c)=>{const e=document.createElement(t);Object.assign(e,x);e.append(...c);return e};
const pick=(i,t)=>el('button',{textContent:t||N[i],title:N[i],onclick:()=>show(i)});
function items(list,short){return list.slice(0,500).map(i=>{const li=el('li',{}),ks=kids.get(N[i]);
 if(ks){const b=el('button',{textContent:'+',ariaLabel:'open '+N[i],onclick(){const u=li.querySelector('ul');if(u){u.remove();b.textContent='+'}else{li.append(el('ul',{},...items(ks,true)));b.textContent='-'}}});li.append(b,' ')}
 li.append(pick(i,short?N[i].slice(N[i].lastIndexOf('.')+1):N[i]));return li}).concat(list.length>500?[el('li',{},el('small',{textContent:(list.length-500)+' more'}))]:[])}
function fill(){const q=$('q').value.trim().toLowerCase();$('list').replaceChildren(...(q?items(N.map((n,i)=>i).filter(i=>N[i].toLowerCase().includes(q))):items(kids.get('')||[])));
 // A program of one package begins with it open.
 const only=$('list').children;if(!q&&only.length==1)only[0].querySelector('button[aria-label]')?.click()}
$('q').oninput=fill;fill();
const row=([i,w,l])=>el('li',{},pick(i),' ',el('small',{textContent:w.map(x=>W[x]).join(', ')+(l?', line '+l:'')}));
function show(i){location.hash=N[i];$('name').textContent=N[i];$('about').textContent=inn[i].length+' modules import it; it imports '+out[i].length+'.';
 $('in').replaceChildren(...inn[i].map(row));$('out').replaceChildren(...out[i].map(row));draw(i)}
function draw(i){const L=inn[i].slice(0,40),R=out[i].slice(0,40),h=Math.max(L.length,R.length,1)*20+30,s='http://www.w3.org/2000/svg',v=document.createElementNS(s,'svg');
 v.setAttribute('viewBox','0 0 1000 '+h);const put=(t,a,x)=>{const e=document.createElementNS(s,t);for(const k in a)e.setAttribute(k,a[k]);if(x!=null)e.textContent=x;v.append(e);return e};
 const cy=h/2;const side=(list,x,anchor,dir)=>list.forEach(([j,w],k)=>{const y=25+k*20+(h-30-list.length*20)/2;
 put('path',{d:`M${x+dir*5},${y-4} C${x+dir*100},${y-4} ${500-dir*100},${cy-4} ${500-dir*60},${cy-4}`,class:w.includes(0)?'':'later'});
 put('text',{x,y,'text-anchor':anchor},N[j]).onclick=()=>show(j)});
 side(L,330,'end',1);side(R,670,'start',-1);put('text',{x:500,y:cy,'text-anchor':'middle','font-weight':'bold'},N[i].split('.').pop());$('pic').replaceChildren(v)}
const start=()=>{const i=ids.get(decodeURIComponent(location.hash.slice(1)));if(i!=null)show(i)};onhashchange=start;start();
</script></html>
"""


def render_page(view: View, title: str) -> str:
    """Return the page on a view."""
    names = list(view.nodes)
    ids = {name: number for number, name in enumerate(names)}
    codes = {when: number for number, when in enumerate(WHENS)}
    edges = [
        [
            ids[importer],
            ids[imported],
            sorted(codes[when] for when in edge.whens),
            edge.line if edge.count == 1 else 0,
        ]
        for (importer, imported), edge in sorted(view.edges.items())
    ]
    data = json.dumps({"names": names, "whens": WHENS, "edges": edges}, separators=(",", ":"))
    safe = title.replace("&", "&amp;").replace("<", "&lt;")
    # "</script>" in a name must not end the script.
    return _PAGE.replace("@TITLE@", safe).replace("@DATA@", data.replace("<", "\\u003c"))
